#!/usr/bin/env bash
# Runs each fuzz target so many times: scripts/fuzz.sh 20000. Ends with how many there were and how often they ran.
# Counted, not timed: a run that a deadline ends fails now and then with nothing but "context deadline exceeded" (https://go.dev/issue/75804, mended in Go 1.27).
set -euo pipefail
cd "$(dirname "$0")/.."

targets=0 runs=0
for file in $(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		out=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$1x" "$(dirname "$file")") || { printf '%s\n' "$out"; exit 1; }
		n=$(printf '%s\n' "$out" | sed -n 's/.*execs: \([0-9]*\).*/\1/p' | tail -n 1)
		printf '%s %s: %s runs\n' "$(dirname "$file")" "$target" "${n:-0}"
		targets=$((targets + 1)) runs=$((runs + ${n:-0}))
	done
done
echo "R19: $targets fuzz targets, $runs runs, 0 crashers"
