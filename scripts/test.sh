#!/usr/bin/env bash
# Runs every fuzz target for a moment and every test of every module in the tree, and ends with the counts. Arguments go to go test: scripts/test.sh -run Lock.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/prerequisites.sh
[ $# -gt 0 ] || scripts/fuzz.sh 3s
go build -C tools -o ../bin/testsummary ./testsummary

strict=()
[ "${CI:-}" != true ] || strict=(-strict)
modules=$(find . -name go.mod -not -path '*/testdata/*' -not -path './bin/*' -printf '%h\n' | sort)
for module in $modules; do
	(cd "$module" && go test -race -json -timeout 15m "$@" ./...) || printf '{"Action":"exit","Package":"%s"}\n' "$module"
done | bin/testsummary "${strict[@]}"
