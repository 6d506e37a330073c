package rclone

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/rclone/rclone/fs"
)

// patient is a backend of rclone whose calls end when their context does. While rclone's wait for their turn they hear of nothing: for
// as long as a server asked to be left alone, or for a new token. What such a call comes to after that is dropped; as its context has
// ended it asks the server for nothing any more.
type patient struct {
	fs.Fs
	features *fs.Features
}

func newPatient(f fs.Fs) fs.Fs {
	features := *f.Features()
	if move := features.Move; move != nil {
		features.Move = func(ctx context.Context, src fs.Object, name string) (fs.Object, error) {
			if p, ok := src.(patientObject); ok {
				src = p.Object
			}
			return await(ctx, underway, func() (fs.Object, error) { return patiently(move(ctx, src, name)) })
		}
	}
	if all := features.ListR; all != nil {
		features.ListR = func(ctx context.Context, dir string, found fs.ListRCallback) error {
			return listPages(ctx, all, dir, found)
		}
	}
	return &patient{f, &features}
}

func (p *patient) Features() *fs.Features { return p.features }

func (p *patient) NewObject(ctx context.Context, name string) (fs.Object, error) {
	return await(ctx, 0, func() (fs.Object, error) { return patiently(p.Fs.NewObject(ctx, name)) })
}

func (p *patient) List(ctx context.Context, dir string) (fs.DirEntries, error) {
	return await(ctx, 0, func() (fs.DirEntries, error) { return p.Fs.List(ctx, dir) })
}

func (p *patient) Put(ctx context.Context, in io.Reader, src fs.ObjectInfo, options ...fs.OpenOption) (fs.Object, error) {
	return await(ctx, underway, func() (fs.Object, error) { return patiently(p.Fs.Put(ctx, in, src, options...)) })
}

func (p *patient) Mkdir(ctx context.Context, dir string) error {
	_, err := await(ctx, underway, func() (struct{}, error) { return struct{}{}, p.Fs.Mkdir(ctx, dir) })
	return err
}

// patientObject is a file of a patient backend.
type patientObject struct{ fs.Object }

func patiently(o fs.Object, err error) (fs.Object, error) {
	if err != nil {
		return nil, err
	}
	return patientObject{o}, nil
}

func (o patientObject) Open(ctx context.Context, options ...fs.OpenOption) (io.ReadCloser, error) {
	return await(ctx, 0, func() (io.ReadCloser, error) { return o.Object.Open(ctx, options...) })
}

func (o patientObject) Remove(ctx context.Context) error {
	_, err := await(ctx, underway, func() (struct{}, error) { return struct{}{}, o.Object.Remove(ctx) })
	return err
}

// underway is how long a call that changes something is waited for after its context has ended: if its request is on the way by then,
// it takes no longer to break off.
const underway = time.Second

// await returns what a call does, or the end of its context some time after that.
func await[T any](ctx context.Context, more time.Duration, call func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := call()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), more)
	defer cancel()
	select {
	case r := <-done:
		return r.value, r.err
	case <-late.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// listPages lists page by page. What is found is told by the caller's own goroutine.
func listPages(ctx context.Context, all fs.ListRFn, dir string, found fs.ListRCallback) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pages, done := make(chan fs.DirEntries), make(chan error, 1)
	go func() {
		done <- all(ctx, dir, func(page fs.DirEntries) error {
			select {
			case pages <- slices.Clone(page): // rclone uses it again
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	for {
		select {
		case page := <-pages:
			if err := found(page); err != nil {
				return err
			}
		case err := <-done:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
