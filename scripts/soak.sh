#!/usr/bin/env bash
# Goes on where the tests stop: each fuzz target for a time (2m, or the first argument), each property with 10,000 cases.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/fuzz.sh "${1:-2m}"
for dir in $(grep -rl --include='*_test.go' '"pgregory.net/rapid"' . | xargs -n 1 dirname | sort -u); do
	go test -count 1 -timeout 1h "$dir" -rapid.checks=10000
done
