package chunker_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"testing/iotest"

	"github.com/backstay/backstay/engine/chunker"
)

// A file is read in pieces into a buffer; what lies behind a cut becomes the start of the next chunk.
func ExampleChunker_Cut() {
	const piece = 256 << 10
	c, err := chunker.New(0x3da3358b4dc173)
	if err != nil {
		log.Fatal(err)
	}
	file := iotest.HalfReader(bytes.NewReader(make([]byte, 1_200_000)))

	buf := make([]byte, 0, chunker.MaxSize+piece)
	var readErr error
	for asked := 0; readErr == nil; asked = len(buf) {
		var n int
		n, readErr = io.ReadFull(file, buf[len(buf):len(buf)+piece])
		buf = buf[:len(buf)+n]
		for cut := c.Cut(buf, asked); cut != 0; cut = c.Cut(buf, 0) {
			fmt.Printf("%d bytes %.4x\n", cut, sha256.Sum256(buf[:cut]))
			buf = buf[:copy(buf, buf[cut:])]
		}
	}
	if !errors.Is(readErr, io.EOF) && !errors.Is(readErr, io.ErrUnexpectedEOF) {
		log.Fatal(readErr)
	}
	if len(buf) > 0 {
		fmt.Printf("%d bytes %.4x, the last\n", len(buf), sha256.Sum256(buf))
	}
	// Output:
	// 524288 bytes 07854d2f
	// 524288 bytes 07854d2f
	// 151424 bytes a5231d63, the last
}
