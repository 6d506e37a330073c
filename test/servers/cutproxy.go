package servers

import (
	"math/bits"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// CutProxy passes connections on to a server, and cuts them.
type CutProxy struct {
	Address string // host:port

	cuts atomic.Int64
}

// StartCutProxy runs a CutProxy in front of target until the test ends. Each connection breaks after a number of bytes, both ways together,
// that the seed chooses: most after few, some in the middle of the first exchange, the last ones after most bytes.
func StartCutProxy(t testing.TB, target string, seed uint64, most int64) *CutProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &CutProxy{Address: l.Addr().String()}
	rnd := rand.New(rand.NewPCG(seed, 0))
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			left := rnd.Int64N(1 + most>>rnd.IntN(bits.Len64(uint64(most))))
			open.Go(func() { p.pass(c, target, left) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	return p
}

// Cuts returns how many connections were cut so far.
func (p *CutProxy) Cuts() int64 { return p.cuts.Load() }

// pass passes on what comes until one side ends or the bytes are used up.
func (p *CutProxy) pass(client net.Conn, target string, left int64) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	var budget atomic.Int64
	budget.Store(left)
	var ways sync.WaitGroup
	way := func(to, from net.Conn) {
		defer client.Close()
		defer server.Close()
		for buf := make([]byte, 32<<10); ; {
			n, err := from.Read(buf)
			if rest := budget.Add(-int64(n)); rest < 0 {
				p.cuts.Add(1)
				_, _ = to.Write(buf[:max(0, int64(n)+rest)])
				return
			}
			if _, writeErr := to.Write(buf[:n]); err != nil || writeErr != nil {
				return
			}
		}
	}
	ways.Go(func() { way(server, client) })
	ways.Go(func() { way(client, server) })
	ways.Wait()
}
