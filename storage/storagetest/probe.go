package storagetest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// T is what a promise is tested with: a *testing.T, or a probe.
type T interface {
	Helper()
	Context() context.Context
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// probe is a T outside of go test. It collects what a test complains of.
type probe struct {
	ctx context.Context

	mu         sync.Mutex
	complaints []string // guarded by mu
}

func newProbe(ctx context.Context) *probe { return &probe{ctx: ctx} }

// run calls test, which Fatal ends early.
func (p *probe) run(test func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		test()
	}()
	<-done
}

func (p *probe) Helper()                  {}
func (p *probe) Context() context.Context { return p.ctx }
func (p *probe) Error(args ...any)        { p.complain(strings.TrimSuffix(fmt.Sprintln(args...), "\n")) }

func (p *probe) Errorf(format string, args ...any) { p.complain(fmt.Sprintf(format, args...)) }

func (p *probe) Fatal(args ...any) {
	p.Error(args...)
	runtime.Goexit()
}

func (p *probe) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	runtime.Goexit()
}

func (p *probe) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, text)
}
