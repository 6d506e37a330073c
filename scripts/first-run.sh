#!/usr/bin/env bash
# A first backup and its way back, in a folder of its own (./backstay-tour, or the first argument). Each command is printed
# before it runs, so that it can be typed again. It may be run any number of times: the repository then gets one more snapshot.
set -euo pipefail
cd "$(dirname "$0")/.."

data=${1:-backstay-tour}
say() { printf '\n# %s\n' "$*"; }
run() {
	printf '$'
	printf ' %q' "$@"
	printf '\n'
	"$@"
}

say "A repository needs a place and a password. Keep a copy of the password elsewhere: without it nothing can be restored."
run mkdir -p "$data"
if [ ! -e "$data/password" ]; then
	(umask 077 && head -c 18 /dev/urandom | base64 >"$data/password")
fi
run export BACKSTAY_REPOSITORY="$data/repository"
run export BACKSTAY_PASSWORD_FILE="$data/password"

if [ ! -e "$data/repository/config" ]; then
	say "Make the repository."
	run bin/backstay init
fi

say "Back up a folder. The second time only what changed is stored."
run bin/backstay backup docs

say "See what there is."
run bin/backstay snapshots

say "Check that every byte of it can be read."
run bin/backstay check --read-data

say "Restore it beside the original, and compare."
run rm -rf "$data/restored"
run bin/backstay restore latest --target "$data/restored"
run diff -r docs "$data/restored/docs"

say "Done: the restored folder is the same. Next: docs/, and bin/backstay help."
