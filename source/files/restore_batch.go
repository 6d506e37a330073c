package files

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstay/backstay/entry"
)

const (
	restoreBatchFiles = 8192     // more, and each pack is read fewer times; fewer, and less is in memory
	restoreBatchBytes = 16 << 20 // memory that the batch may take, as far as it can be estimated
	restorePieceBytes = 48       // memory of one piece of content: its id in the snapshot and a pointer to it
)

// restoreBatch is the files that are fetched at once. It is the sink of their bytes.
type restoreBatch struct {
	files []*restoreFile
	bytes uint64
}

// queue puts a file into the batch and fetches the batch when it is full.
func (r *restorer) queue(it *restoreItem) error {
	it.dir.pending.Add(1)
	r.batch.files = append(r.batch.files, newRestoreFile(r, it))
	r.batch.bytes += 1024 + 2*uint64(len(it.entry.Path)) + restorePieceBytes*(1+it.entry.Size>>20)
	if len(r.batch.files) < restoreBatchFiles && r.batch.bytes < restoreBatchBytes {
		return nil
	}
	return r.flush()
}

// flush fetches the batch and then makes the links to what it held. A link whose file was lost is fetched itself.
func (r *restorer) flush() error {
	for len(r.batch.files) > 0 {
		batch, waiting := r.batch, r.waiting
		r.batch, r.waiting = restoreBatch{}, nil
		if err := r.fetch(&batch); err != nil {
			return err
		}
		for _, it := range waiting {
			err := r.put(it)
			r.release(it.dir)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *restorer) fetch(b *restoreBatch) error {
	wanted := make([]entry.Entry, len(b.files))
	for i, f := range b.files {
		wanted[i] = f.entry
	}
	err := r.contents.Fetch(r.ctx, wanted, b)
	if err != nil {
		err = fmt.Errorf("fetch contents: %w", err)
	}
	if cause := context.Cause(r.ctx); cause != nil {
		err = cause
	}
	for _, f := range b.files {
		if f.done {
			continue
		}
		if err == nil {
			f.settle(errors.New("its bytes were not delivered"))
			continue
		}
		if failure := f.interrupt(); failure != nil {
			err = errors.Join(err, fmt.Errorf("clean up after %q: %w", f.entry.Path, failure))
		}
	}
	return err
}

// Want implements entry.Sink.
func (b *restoreBatch) Want(i int) []entry.Range { return b.files[i].resume() }

// WriteAt implements entry.Sink.
func (b *restoreBatch) WriteAt(i int, p []byte, offset int64) error {
	f := b.files[i]
	err := f.write(p, offset)
	if err != nil {
		err = fmt.Errorf("write: %w", err)
		f.failed.CompareAndSwap(nil, &err)
	}
	return err
}

// Done implements entry.Sink.
func (b *restoreBatch) Done(i int, err error) {
	f := b.files[i]
	f.done = true
	if failed := f.failed.Load(); failed != nil {
		err = *failed
	} else if err != nil && f.r.ctx.Err() != nil {
		f.done = false // it was not lost but is to be cleaned up
		return
	}
	f.settle(err)
}

// settle ends the work on a file all of whose bytes came, or with an error some did not.
func (f *restoreFile) settle(err error) {
	defer f.r.release(f.dir)
	var kept restoreKept
	var incomplete error
	if err == nil {
		kept, incomplete, err = f.complete()
	}
	if err != nil {
		f.r.dropLink(f.restoreItem)
		f.r.lose(f.change, errors.Join(err, f.discard()))
		return
	}
	f.r.addLink(f.restoreItem, f.id)
	f.r.finish(f.change, kept, incomplete)
}

// interrupt leaves what the next restore can go on with and removes the rest.
func (f *restoreFile) interrupt() error {
	if f.entry.Size > restoreKeep {
		return f.r.files.close(f.handle)
	}
	return f.discard()
}
