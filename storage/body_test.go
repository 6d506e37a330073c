package storage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/backstay/backstay/storage"
)

// announced is a body of size bytes whose reader is r.
func announced(size int64, r io.Reader) storage.Body {
	return storage.Body{Size: size, Open: func() io.Reader { return r }}
}

func TestABodyIsReadWholeOnlyIfItIsOfItsSize(t *testing.T) {
	content := bytes.Repeat([]byte("content"), 500_000)
	broken := errors.New("source broke")
	for _, tt := range []struct {
		says string
		size int
		r    io.Reader
		want error
	}{
		{"right", len(content), bytes.NewReader(content), nil},
		{"right, byte by byte", 100, iotest.OneByteReader(bytes.NewReader(content[:100])), nil},
		{"right, its end told with the last bytes", 100, iotest.DataErrReader(bytes.NewReader(content[:100])), nil},
		{"empty", 0, bytes.NewReader(nil), nil},
		{"too short", len(content) + 1, bytes.NewReader(content), storage.ErrMismatch},
		{"too long", len(content) - 1, bytes.NewReader(content), storage.ErrMismatch},
		{"not empty", 0, bytes.NewReader(content), storage.ErrMismatch},
		{"broken", len(content), io.MultiReader(bytes.NewReader(content[:50]), iotest.ErrReader(broken)), broken},
		{"broken at its end", len(content), io.MultiReader(bytes.NewReader(content), iotest.ErrReader(broken)), broken},
		{"broken before its start", 0, iotest.ErrReader(broken), broken},
	} {
		r := announced(int64(tt.size), tt.r).Exact(t.Context())
		got, err := io.ReadAll(r)
		if !errors.Is(err, tt.want) || !errors.Is(r.Err(), tt.want) || (tt.want == nil) != (err == nil) {
			t.Errorf("%s: ReadAll = %v, Err = %v, want %v", tt.says, err, r.Err(), tt.want)
		}
		if whole := len(got) == tt.size; tt.want == nil && !bytes.Equal(got, content[:tt.size]) || tt.want != nil && whole && tt.size > 0 {
			t.Errorf("%s: %d bytes of %d were read", tt.says, len(got), tt.size)
		}
	}
}

func TestABodyIsNotReadAfterItsContextOrItsReaderHasEnded(t *testing.T) {
	gone := errors.New("the caller is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := announced(10, bytes.NewReader(make([]byte, 10))).Exact(ctx)
	cancel(gone)
	if n, err := r.Read(make([]byte, 10)); n != 0 || err != gone || r.Err() != gone {
		t.Errorf("Read with an ended context = %d, %v, Err = %v, want the cause", n, err, r.Err())
	}
	r = announced(10, bytes.NewReader(make([]byte, 10))).Exact(t.Context())
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF || r.Err() != nil {
		t.Errorf("Read after Close = %d, %v, Err = %v, want an error that isn't the body's", n, err, r.Err())
	}
}

func TestTheHashOfABodyIsTheAnnouncedOneOrComputed(t *testing.T) {
	content := []byte("content")
	if hash, err := storage.Bytes(content).Hash(t.Context()); err != nil || hash != sha256.Sum256(content) {
		t.Errorf("Hash of an announced body = %x, %v", hash, err)
	}
	if hash, err := announced(7, bytes.NewReader(content)).Hash(t.Context()); err != nil || hash != sha256.Sum256(content) {
		t.Errorf("Hash of a body = %x, %v", hash, err)
	}
	if _, err := announced(8, bytes.NewReader(content)).Hash(t.Context()); !errors.Is(err, storage.ErrMismatch) {
		t.Errorf("Hash of a body that is too short = %v, want ErrMismatch", err)
	}
}
