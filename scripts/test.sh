#!/usr/bin/env bash
# Runs every fuzz target a little and every test of every module in the tree, and ends with the counts. Arguments go to go test: scripts/test.sh -run Lock.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/prerequisites.sh
[ $# -gt 0 ] || scripts/fuzz.sh 20000
go build -C tools -o ../bin/testsummary ./testsummary

args=("$@") strict=()
[ "${CI:-}" != true ] || strict=(-strict)
rigs='/test/'
# SQLite and the C library below it, which are C in Go's clothes and take locks as C does, are some thirty times slower under the race detector's eyes.
calm=()
for package in sqlite/lib libc/... memory; do
	calm+=("-gcflags=modernc.org/$package=-race=false")
done
modules=$(find . -name go.mod -not -path '*/testdata/*' -not -path './bin/*' -printf '%h\n' | sort)
run() { # -race or nothing, then packages: the race detector makes the rigs of test/ many times slower, and finds its races in the packages
	go test -json -timeout 40m "$@" || printf '{"Action":"exit","Package":"%s"}\n' "$PWD"
}
for module in $modules; do
	(
		cd "$module"
		packages=$(go list ./... | grep -v "$rigs" || true)
		rest=$(go list ./... | grep "$rigs" || true)
		[ -z "$packages" ] || run -race "${calm[@]}" "${args[@]}" $packages
		[ -z "$rest" ] || run "${args[@]}" $rest
	)
done | bin/testsummary "${strict[@]}"
