package sftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pkg/sftp"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// overheard is the sending half of a connection that notes what is asked for.
type overheard struct {
	io.WriteCloser
	mu    sync.Mutex
	bytes bytes.Buffer // guarded by mu
}

func (o *overheard) Write(p []byte) (int, error) {
	o.mu.Lock()
	o.bytes.Write(p)
	o.mu.Unlock()
	return o.WriteCloser.Write(p)
}

// requests returns the requests in the order in which they were sent, each by its kind.
func (o *overheard) requests() (kinds []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	names := map[byte]string{1: "init", 3: "open", 4: "close", 6: "write", 7: "lstat", 9: "setstat", 17: "stat", 18: "rename"}
	for p := o.bytes.Bytes(); len(p) > 4; {
		n := binary.BigEndian.Uint32(p)
		request := p[4 : 4+n]
		kind := names[request[0]]
		if request[0] == 200 { // an extension: id, length of its name, name
			kind, _, _ = strings.Cut(string(request[9:]), "@")
		}
		kinds, p = append(kinds, kind), p[4+n:]
	}
	return kinds
}

func TestAFileIsDurableAndClosedBeforeItGetsItsName(t *testing.T) {
	const program = "/usr/lib/openssh/sftp-server" // of Debian's package openssh-sftp-server
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(err)
	}
	var wire *overheard
	b := newBackend(t.TempDir(), storage.Env{Clock: clock.System}, func(context.Context) (*conn, error) {
		cmd := exec.Command(program)
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		wire = &overheard{WriteCloser: in}
		client, err := sftp.NewClientPipe(out, wire)
		if err != nil {
			return nil, err
		}
		return newConn(client, func() { _ = in.Close() }, func() { _ = cmd.Wait() }), nil
	})
	t.Cleanup(b.CloseIdle)
	if err := b.Save(t.Context(), "config", storage.Bytes(make([]byte, 1<<20))); err != nil {
		t.Fatal(err)
	}
	sent := wire.requests()
	order := slices.DeleteFunc(slices.Clone(sent), func(kind string) bool { return strings.HasSuffix(kind, "stat") || kind == "init" })
	if order = slices.Compact(order); !slices.Equal(order, []string{"open", "write", "fsync", "close", "rename"}) {
		t.Errorf("Save asks for %q, want first the content, then that it is durable, then the name", sent)
	}
	if locked := slices.Index(sent, "setstat"); locked < 0 || locked > slices.Index(sent, "fsync") {
		t.Errorf("the file's permissions aren't changed before it is made durable: %q", sent)
	}
}
