package files

import (
	"container/list"
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// restoreHandle is a file or directory that is opened when it is used, and may be closed while nobody uses it.
type restoreHandle struct {
	open func() (fd int, err error)

	mu   sync.Mutex
	fd   int // -1: closed
	busy int
	err  error         // a close that went wrong: what was written may be lost
	elem *list.Element // place in the pool while open; guarded by the pool
}

func newRestoreHandle(open func() (int, error)) *restoreHandle {
	return &restoreHandle{open: open, fd: -1}
}

// restorePool bounds how many handles are open: past the limit those that were idle longest are closed. Handles in use
// stay open, so nobody waits for another and the limit may be passed by the number of users.
type restorePool struct {
	limit int

	mu     sync.Mutex
	opened list.List // of *restoreHandle, the longest idle first
}

// use calls fn with h open. It may be called from any goroutine, also at once for one handle.
func (p *restorePool) use(h *restoreHandle, fn func(fd int) error) error {
	fd, err := p.acquire(h)
	if err != nil {
		return err
	}
	err = fn(fd)
	h.mu.Lock()
	h.busy--
	h.mu.Unlock()
	return err
}

func (p *restorePool) acquire(h *restoreHandle) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return -1, h.err
	}
	if h.fd >= 0 {
		h.busy++
		p.touch(h)
		return h.fd, nil
	}
	fd, err := h.open()
	if err != nil {
		return -1, err
	}
	h.fd = fd
	h.busy++
	p.add(h)
	return fd, nil
}

// close closes h if it is open and tells of a close that went wrong, also of an earlier one.
func (p *restorePool) close(h *restoreHandle) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fd >= 0 {
		p.mu.Lock()
		p.drop(h)
		p.mu.Unlock()
	}
	return h.err
}

// closeAll closes what is still open when the work is over.
func (p *restorePool) closeAll() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for e := p.opened.Front(); e != nil; e = p.opened.Front() {
		h := e.Value.(*restoreHandle)
		p.drop(h)
		err = errors.Join(err, h.err)
	}
	return err
}

func (p *restorePool) touch(h *restoreHandle) {
	p.mu.Lock()
	p.opened.MoveToBack(h.elem)
	p.mu.Unlock()
}

func (p *restorePool) add(h *restoreHandle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.elem = p.opened.PushBack(h)
	for e := p.opened.Front(); e != nil && p.opened.Len() > p.limit; {
		idle := e.Value.(*restoreHandle)
		e = e.Next()
		if !idle.mu.TryLock() { // somebody is about to use it
			continue
		}
		if idle.busy == 0 {
			p.drop(idle)
		}
		idle.mu.Unlock()
	}
}

// drop closes h; h.mu and p.mu are held.
func (p *restorePool) drop(h *restoreHandle) {
	if err := unix.Close(h.fd); err != nil && err != unix.EINTR { // after EINTR Linux has closed it
		h.err = errors.Join(h.err, err)
	}
	h.fd = -1
	p.opened.Remove(h.elem)
}
