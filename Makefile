.PHONY: help build run tour test lint bench soak docs pictures install clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | expand -t 10

build: ## build bin/backstay
	go build -trimpath -o bin/backstay ./cmd/backstay

run: build ## build, then start the server, with its data in backstay-data; Ctrl-C stops it
	bin/backstay serve --data backstay-data

tour: build ## build, then make a first backup and restore it without a server, command by command
	scripts/first-run.sh

test: build ## run every test of every module, after installing what they need
	scripts/test.sh

lint: ## check format, vet, staticcheck, errcheck and the rules of the architecture
	scripts/lint.sh

bench: build ## measure Backstay and restic in turn on the same data, in folders and on servers; then the server under load
	go run ./test/bench
	go run ./test/bench -storage sftp -sets mixed -rounds 1 -out bench-sftp.json
	go run ./test/bench -storage s3 -sets mixed -rounds 1 -out bench-s3.json
	go run ./test/bench -storage s3 -delay 50ms -sets mixed -rounds 1 -out bench-s3-late.json
	go run ./test/serverbench

soak: ## fuzz every target and test every property for much longer
	scripts/soak.sh

docs: ## write docs/reference anew from the commands, and docs/errors.md from the list of errors
	go run ./internal/cli/reference docs/reference
	go run ./internal/doctor/page docs/errors.md

pictures: ## take the pictures of the documents anew, in docs/images, of a server that is filled for that
	go test -count 1 -run TestTheDocumentsHaveTheirPictures ./test/browser -pictures $(CURDIR)/docs/images

install: ## install backstay into GOBIN
	go install -trimpath ./cmd/backstay

clean: ## remove what was built, and the data of make run and make tour
	rm -rf bin backstay-data backstay-tour
