module github.com/backstay/backstay/test/library

go 1.26.0

require github.com/backstay/backstay v0.0.0

require (
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/backstay/backstay => ../..
