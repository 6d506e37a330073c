#!/usr/bin/env bash
# Goes on where the tests stop: each fuzz target a million times (or as the first argument says), each property with 10,000 cases,
# the simulations and the tests beside restic with many times the seeds. Each of these prints what it has seen.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/fuzz.sh "${1:-1000000}"
for dir in $(grep -rl --include='*_test.go' '"pgregory.net/rapid"' . | xargs -n 1 dirname | sort -u); do
	go test -count 1 -timeout 1h "$dir" -rapid.checks=10000
done
export BACKSTAY_SOAK=1
go test -count 1 -timeout 4h -p 1 -v ./schedule ./internal/app ./internal/catalog ./internal/chain ./test/...
go test -C test/powercut -count 1 -timeout 4h -v .
