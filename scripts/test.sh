#!/usr/bin/env bash
# Runs every fuzz target a little and every test of every module in the tree, and ends with the counts. Arguments go to go test: scripts/test.sh -run Lock.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/prerequisites.sh
[ $# -gt 0 ] || scripts/fuzz.sh 20000
go build -C tools -o ../bin/testsummary ./testsummary

args=("$@") strict=()
[ "${CI:-}" != true ] || strict=(-strict)
slow='/test/|/internal/(api|app|server)$'
modules=$(find . -name go.mod -not -path '*/testdata/*' -not -path './bin/*' -printf '%h\n' | sort)
run() { # -race or nothing, then packages: the race detector makes the rigs of test/ and the tests of whole servers many times slower, and finds its races in the packages
	go test -json -timeout 20m "$@" || printf '{"Action":"exit","Package":"%s"}\n' "$PWD"
}
for module in $modules; do
	(
		cd "$module"
		quick=$(go list ./... | grep -Ev "$slow" || true)
		rigs=$(go list ./... | grep -E "$slow" || true)
		[ -z "$quick" ] || run -race "${args[@]}" $quick
		[ -z "$rigs" ] || run "${args[@]}" $rigs
	)
done | bin/testsummary "${strict[@]}"
