package storagetest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"syscall"

	"github.com/backstay/backstay/storage"
)

// Faulty is a storage.Backend that fails. It may be put around any other and is as safe for concurrent use as that is.
type Faulty struct {
	next   storage.Backend
	faults Faults
	trace  trace

	mu      sync.Mutex
	changes []change // guarded by mu: what StaleList may take back, the latest last
}

// change is a file that came or went.
type change struct {
	info    storage.Info
	removed bool
}

// NewFaulty returns a Backend that passes on to next what the faults let through.
func NewFaulty(next storage.Backend, faults Faults) *Faulty {
	return &Faulty{next: next, faults: faults.withDefaults()}
}

// Trace returns the calls so far, in the order in which they began. One under way has neither Done nor Err yet.
func (f *Faulty) Trace() []Call { return f.trace.snapshot() }

// begin numbers a call, picks its fault and, if it is to be late, waits.
func (f *Faulty) begin(ctx context.Context, op Op, name string) (c Call, detail uint64, err error) {
	n, ofOp, ofName := f.trace.begin(op, name)
	c = Call{N: n, Op: op, Name: name}
	c.Fault, detail = f.faults.pick(op, name, n, ofOp, ofName)
	switch c.Fault {
	case Refuse:
		err = c.injected()
	case Late:
		if cause := f.faults.Clock.Sleep(ctx, f.faults.Delay); cause != nil {
			err = fmt.Errorf("%s %q: %w", op, name, cause)
		}
	}
	return c, detail, err
}

// injected is the error of a call's fault.
func (c Call) injected() error {
	return fmt.Errorf("%s %q: %w (%s)", c.Op, c.Name, ErrInjected, c.Fault)
}

func (f *Faulty) changed(info storage.Info, removed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, change{info, removed})
}

// Save implements storage.Backend.
func (f *Faulty) Save(ctx context.Context, name string, body storage.Body) error {
	c, _, err := f.begin(ctx, Save, name)
	c.Size = body.Size
	if err == nil {
		c.Done, err = f.save(ctx, c, body)
	}
	c.Err = err
	f.trace.end(c)
	return err
}

func (f *Faulty) save(ctx context.Context, c Call, body storage.Body) (done bool, err error) {
	switch c.Fault {
	case NoSpace:
		return false, fmt.Errorf("%w: %w", c.injected(), storage.Mark(syscall.ENOSPC, storage.ErrFull))
	case TornWrite:
		half := storage.Body{Size: body.Size / 2, Open: func() io.Reader { return io.LimitReader(body.Open(), body.Size/2) }}
		if err := f.next.Save(ctx, c.Name, half); err != nil {
			return false, err
		}
		f.changed(storage.Info{Name: c.Name, Size: half.Size}, false)
		return false, c.injected()
	}
	if err := f.next.Save(ctx, c.Name, body); err != nil {
		return false, err
	}
	f.changed(storage.Info{Name: c.Name, Size: body.Size}, false)
	if c.Fault == LostAnswer {
		return true, c.injected()
	}
	return true, nil
}

// Load implements storage.Backend.
func (f *Faulty) Load(ctx context.Context, name string, p []byte, offset int64) error {
	c, detail, err := f.begin(ctx, Load, name)
	c.Offset, c.Size = offset, int64(len(p))
	if err == nil {
		c.Done, err = f.load(ctx, c, p, detail)
	}
	c.Err = err
	f.trace.end(c)
	return err
}

func (f *Faulty) load(ctx context.Context, c Call, p []byte, detail uint64) (done bool, err error) {
	switch c.Fault {
	case Vanish:
		return false, f.vanish(ctx, c)
	case ShortRead:
		if err := f.next.Load(ctx, c.Name, p[:len(p)/2], c.Offset); err != nil {
			return false, err
		}
		return false, storage.Mark(c.injected(), storage.ErrShort)
	}
	if err := f.next.Load(ctx, c.Name, p, c.Offset); err != nil {
		return false, err
	}
	if c.Fault == FlipBody && len(p) > 0 {
		bit := detail % (8 * uint64(len(p)))
		p[bit/8] ^= 1 << (bit % 8)
	}
	return true, nil
}

// vanish takes a file away.
func (f *Faulty) vanish(ctx context.Context, c Call) error {
	if err := f.next.Remove(ctx, c.Name); err != nil {
		return err
	}
	return storage.Mark(c.injected(), storage.ErrNotFound)
}

// Stat implements storage.Backend.
func (f *Faulty) Stat(ctx context.Context, name string) (info storage.Info, err error) {
	c, _, err := f.begin(ctx, Stat, name)
	switch {
	case err != nil:
	case c.Fault == Vanish:
		err = f.vanish(ctx, c)
	default:
		info, err = f.next.Stat(ctx, name)
		c.Done = err == nil
	}
	c.Err = err
	f.trace.end(c)
	return info, err
}

// Remove implements storage.Backend.
func (f *Faulty) Remove(ctx context.Context, name string) error {
	c, _, err := f.begin(ctx, Remove, name)
	if err == nil {
		c.Done, err = f.remove(ctx, c)
	}
	c.Err = err
	f.trace.end(c)
	return err
}

func (f *Faulty) remove(ctx context.Context, c Call) (done bool, err error) {
	info, statErr := f.next.Stat(ctx, c.Name) // a stale listing shows the file with its size
	if err := f.next.Remove(ctx, c.Name); err != nil {
		return false, err
	}
	if statErr == nil {
		f.changed(info, true)
	}
	if c.Fault == LostAnswer {
		return true, c.injected()
	}
	return true, nil
}

// List implements storage.Backend.
func (f *Faulty) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		c, detail, err := f.begin(ctx, List, dir)
		var infos []storage.Info
		if err == nil {
			infos, err = f.list(ctx, c, detail)
		}
		c.Err, c.Done = err, err == nil
		defer func() { f.trace.end(c) }()
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
			c.Size++
			if err == nil && ctx.Err() != nil {
				err = fmt.Errorf("list %q: %w", dir, context.Cause(ctx))
				c.Err, c.Done = err, false
				break
			}
		}
		if err != nil {
			yield(storage.Info{}, err)
		}
	}
}

// list returns the files to be yielded and the error to end with.
func (f *Faulty) list(ctx context.Context, c Call, detail uint64) ([]storage.Info, error) {
	var infos []storage.Info
	for info, err := range f.next.List(ctx, c.Name) {
		if err != nil {
			return infos, err
		}
		infos = append(infos, info)
	}
	switch c.Fault {
	case CutList:
		return infos[:len(infos)/2], c.injected()
	case SilentCut:
		return infos[:len(infos)/2], nil
	case EmptyList:
		return nil, nil
	case StaleList:
		return f.stale(infos, c.Name+"/", detail), nil
	case FlipName:
		return flipName(infos, detail), nil
	}
	return infos, nil
}

// stale takes back one to eight of the latest changes beneath prefix.
func (f *Faulty) stale(infos []storage.Info, prefix string, detail uint64) []storage.Info {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := 1 + detail%8
	for _, change := range slices.Backward(f.changes) {
		if left == 0 {
			break
		}
		if len(change.info.Name) < len(prefix) || change.info.Name[:len(prefix)] != prefix {
			continue
		}
		infos = slices.DeleteFunc(infos, func(i storage.Info) bool { return i.Name == change.info.Name })
		if change.removed {
			infos = append(infos, change.info)
		}
		left--
	}
	return infos
}

func flipName(infos []storage.Info, detail uint64) []storage.Info {
	if len(infos) == 0 {
		return nil
	}
	info := &infos[detail%uint64(len(infos))]
	name := []byte(info.Name)
	name[len(name)-1] ^= 1
	info.Name = string(name)
	return infos
}
