package retry

import (
	"context"
	"iter"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
)

// browser is a storage.Browser that repeats.
type browser struct {
	*Backend
	next storage.Browser
}

// NewBrowser returns a Browser that repeats the calls of next. A folder is kept in memory until all of it was listed.
func NewBrowser(next storage.Browser, opt Options) storage.Browser {
	return browser{&Backend{opt: opt.withDefaults()}, next}
}

// ReadDir implements storage.Browser.
func (b browser) ReadDir(ctx context.Context, dir string) iter.Seq2[entry.Meta, error] {
	return func(yield func(entry.Meta, error) bool) {
		var items []entry.Meta
		err := b.repeat(ctx, "list", dir, b.opt.Stall, func(ctx context.Context, w *watch) error {
			items = items[:0]
			for m, err := range b.next.ReadDir(ctx, dir) {
				if err != nil {
					return err
				}
				w.progress()
				items = append(items, m)
			}
			return nil
		})
		if err != nil {
			yield(entry.Meta{}, err)
			return
		}
		for _, m := range items {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// Lookup implements storage.Browser.
func (b browser) Lookup(ctx context.Context, name string) (m entry.Meta, err error) {
	err = b.repeat(ctx, "look up", name, b.opt.Stall, func(ctx context.Context, _ *watch) (err error) {
		m, err = b.next.Lookup(ctx, name)
		return err
	})
	return m, err
}

// Load implements storage.Browser.
func (b browser) Load(ctx context.Context, name string, p []byte, offset int64) error {
	return b.load(ctx, name, p, offset, b.next.Load)
}
