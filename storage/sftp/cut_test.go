package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/pkg/sftp"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// brittle is the sending half of a connection that is closed after some writes. It says so as an SSH channel does.
type brittle struct {
	io.WriteCloser
	left int
}

func (b *brittle) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, io.EOF
	}
	return b.WriteCloser.Write(p)
}

// duplex joins both halves of a connection.
type duplex struct {
	io.Reader
	io.WriteCloser
}

// over returns a backend whose connections break after some writes.
func over(t *testing.T, dir string, writes int) *backend {
	return served(t, dir, func(r io.Reader) io.Reader { return r }, func(w io.WriteCloser) io.WriteCloser { return &brittle{w, writes} })
}

// served returns a backend that is connected with a server in the test through what is put around both halves of the connection.
func served(t *testing.T, dir string, receiving func(io.Reader) io.Reader, sending func(io.WriteCloser) io.WriteCloser) *backend {
	b := newBackend(dir, storage.Env{Clock: clock.System}, func(context.Context) (*conn, error) {
		toServer, fromClient := io.Pipe()
		toClient, fromServer := io.Pipe()
		server, err := sftp.NewServer(duplex{toServer, fromServer})
		if err != nil {
			return nil, err
		}
		go func() {
			_ = server.Serve()
			_ = fromServer.Close()
		}()
		client, err := sftp.NewClientPipe(receiving(toClient), sending(fromClient))
		if err != nil {
			return nil, err
		}
		return newConn(client, func() { _ = fromClient.Close() }, func() {}), nil
	})
	t.Cleanup(b.CloseIdle)
	return b
}

func TestAConnectionThatBreaksBetweenTwoRequestsEndsNoListing(t *testing.T) {
	const files = 300 // the server gives 128 at a time
	dir := t.TempDir()
	for i := range files {
		path := filepath.Join(dir, "snapshots", fmt.Sprint(i))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole := 0
	for writes := 1; writes < 30; writes++ {
		b, n := over(t, dir, writes), 0
		var last error
		for _, err := range b.List(t.Context(), "snapshots") {
			if last = err; err == nil {
				n++
			}
		}
		if last == nil && n != files {
			t.Errorf("List over a connection that breaks after %d writes = %d files and no error, want %d or an error", writes, n, files)
		}
		if last == nil {
			whole++
		}
	}
	if whole == 0 {
		t.Error("no listing came to its end")
	}
}

func TestAConnectionThatBreaksMakesNoFileShorter(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config"), make([]byte, 200_000), 0o600); err != nil {
		t.Fatal(err)
	}
	for writes := 1; writes < 30; writes++ {
		err := over(t, dir, writes).Load(t.Context(), "config", make([]byte, 200_000), 0)
		if errors.Is(err, storage.ErrShort) {
			t.Errorf("Load over a connection that breaks after %d writes = %v, want an error that says nothing of the file", writes, err)
		}
	}
}

func TestAConnectionThatBreaksLeavesNoHalfFile(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 20_000)
	whole := 0
	for writes := 1; writes < 40; writes++ {
		dir := t.TempDir()
		err := over(t, dir, writes).Save(t.Context(), "data/pack", storage.Bytes(content))
		got, readErr := os.ReadFile(filepath.Join(dir, "data/pack"))
		switch {
		case err == nil && bytes.Equal(got, content):
			whole++
		case err == nil || readErr == nil && !bytes.Equal(got, content):
			t.Errorf("Save over a connection that breaks after %d writes = %v, and the file has %d bytes (%v)", writes, err, len(got), readErr)
		case errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrExists):
			t.Errorf("Save over a connection that breaks after %d writes = %v, want an error that passes", writes, err)
		}
	}
	if whole == 0 {
		t.Error("no file was saved")
	}
}
