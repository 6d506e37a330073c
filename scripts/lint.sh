#!/usr/bin/env bash
# Looks over the code of every module in the tree: format, vet, staticcheck, errcheck, and the rules of arch_test.go.
set -euo pipefail
cd "$(dirname "$0")/.."

go build -C tools -o ../bin/ honnef.co/go/tools/cmd/staticcheck github.com/kisielk/errcheck
root=$PWD bin=$PWD/bin

files=$(find . -name '*.go' -not -path '*/testdata/*')
unformatted=$(gofmt -l $files)
if [ -n "$unformatted" ]; then
	printf 'not formatted (gofmt -w mends it):\n%s\n' "$unformatted" >&2
	exit 1
fi
for module in $(find . -name go.mod -not -path '*/testdata/*' -not -path './bin/*' -printf '%h\n' | sort); do
	(
		cd "$module"
		go vet ./...
		"$bin/staticcheck" ./...
		product=$(go list ./... | grep -v /test/ || true) # what only tests use need not check each Close
		[ -z "$product" ] || "$bin/errcheck" -ignoretests -exclude "$root/scripts/errcheck.txt" $product
	)
done
go test -run 'Architecture|BrokenRule' .
