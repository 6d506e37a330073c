// Package remote backs up folders behind a server: SFTP, SMB, WebDAV, S3 and other places where repositories can live too.
//
// A Folder (see package source) is such a place. Its folders are listed ahead of the reader, a few at once, and its files are read in ranges, the next one
// while the last is cut and hashed. What a server doesn't tell is made up so that it is the same each time: a folder without a time
// has that of 1970, a file without a mode 0644. A place that changes while it is read shows each file as it was when its folder was
// listed; one that changes later is said to have changed.
package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source"
)

// Options say how much is done at once. The zero value is useful.
type Options struct {
	Parallel int // contents open at once; default 4, each of which holds two pieces of a file in memory
	Piece    int // bytes that are read at once; default 4 MiB, much more than is on its way in a round trip
	// Exclude says what is left out, of a folder with all that is in it. It is asked once for each path, in tree order. May be nil.
	Exclude func(path string, dir bool) bool
}

func (o Options) withDefaults() Options {
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	if o.Piece == 0 {
		o.Piece = 4 << 20
	}
	if o.Exclude == nil {
		o.Exclude = func(string, bool) bool { return false }
	}
	return o
}

// Source is a folder behind a server. It may be used from any goroutine.
type Source struct {
	folder source.Folder
	opt    Options
}

// New makes a source of all that is in a folder.
func New(folder source.Folder, opt Options) *Source { return &Source{folder, opt.withDefaults()} }

// Open begins a view. That the folder can't be listed is told by its entries.
func (s *Source) Open(context.Context) (source.View, error) { return &view{s}, nil }

type view struct{ *Source }

func (v *view) Parallel() int { return v.opt.Parallel }
func (v *view) Close() error  { return nil }

// Entries lists the folders.
func (v *view) Entries(ctx context.Context) iter.Seq2[entry.Entry, error] {
	return func(yield func(entry.Entry, error) bool) {
		if ctx.Err() != nil {
			yield(entry.Entry{}, context.Cause(ctx))
			return
		}
		inner, cancel := context.WithCancel(ctx)
		w := &walk{view: v, ctx: inner, yield: yield, places: make(chan struct{}, ahead)}
		defer w.listings.Wait()
		defer cancel()
		top := w.list(".")
		err := top.wait(ctx)
		switch {
		case ctx.Err() != nil:
			yield(entry.Entry{}, context.Cause(ctx))
		case err != nil:
			yield(entry.Entry{}, fmt.Errorf("list the folder: %w", err))
		default:
			w.dir("", top.items)
		}
	}
}

// ahead is how many folders are listed at once, and in how many of those beside the one that is read.
const ahead = 4

// walk goes through the folders in tree order.
type walk struct {
	*view
	ctx      context.Context
	yield    func(entry.Entry, error) bool
	places   chan struct{} // one for each listing under way
	listings sync.WaitGroup
}

// listing is what is in a folder, once it is done.
type listing struct {
	done  chan struct{}
	items []entry.Meta
	err   error
}

// list begins to list a folder.
func (w *walk) list(dir string) *listing {
	l := &listing{done: make(chan struct{})}
	w.listings.Go(func() {
		defer close(l.done)
		select {
		case w.places <- struct{}{}:
			defer func() { <-w.places }()
			l.items, l.err = w.read(dir)
		case <-w.ctx.Done():
			l.err = context.Cause(w.ctx)
		}
	})
	return l
}

func (w *walk) read(dir string) (items []entry.Meta, err error) {
	for m, err := range w.folder.ReadDir(w.ctx, dir) {
		if err != nil {
			return nil, err
		}
		items = append(items, m)
	}
	slices.SortStableFunc(items, func(a, b entry.Meta) int { return strings.Compare(a.Name, b.Name) })
	return items, nil
}

func (l *listing) wait(ctx context.Context) error {
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// dir yields what is in a folder, and reports whether to go on.
func (w *walk) dir(dir string, items []entry.Meta) bool {
	items = slices.DeleteFunc(items, func(m entry.Meta) bool { return w.opt.Exclude(path.Join(dir, m.Name), m.Type == entry.Dir) })
	listings := make(map[int]*listing)
	next := 0 // where the next folder is looked for that is listed ahead
	for i, m := range items {
		for ; next < len(items) && len(listings) < ahead; next++ {
			if items[next].Type == entry.Dir && wrong(items[next], again(items, next)) == nil {
				listings[next] = w.list(path.Join(dir, items[next].Name))
			}
		}
		if !w.item(dir, m, wrong(m, again(items, i)), listings[i]) {
			return false
		}
		delete(listings, i)
	}
	return true
}

// again reports whether the item before has the same name. Of a file and a folder of one name, as a bucket may have, the first one stays.
func again(items []entry.Meta, i int) bool { return i > 0 && items[i-1].Name == items[i].Name }

// item yields an entry, unless err says why it can't, and of a folder what is in it.
func (w *walk) item(dir string, m entry.Meta, err error, l *listing) bool {
	e := entry.Entry{Path: path.Join(dir, m.Name), Meta: complete(m)}
	e.Content = &content{Source: w.Source, entry: e}
	if err == nil && l != nil {
		if err = l.wait(w.ctx); err != nil {
			err = fmt.Errorf("list folder: %w", err)
		}
	}
	switch {
	case w.ctx.Err() != nil:
		w.yield(entry.Entry{}, context.Cause(w.ctx))
		return false
	case errors.Is(err, errPassOver):
		return true
	case err != nil:
		return w.yield(entry.Entry{}, &entry.Error{Path: path.Join(dir, printable(m.Name)), Err: err})
	case !w.yield(e, nil):
		return false
	case l == nil:
		return true
	}
	return w.dir(e.Path, l.items)
}

var errPassOver = errors.New("nothing could be restored of it")

// wrong says why an item can't be an entry.
func wrong(m entry.Meta, again bool) error {
	switch {
	case m.Type == entry.Socket:
		return errPassOver
	case m.Type == "":
		return errors.New("the server doesn't tell what it is, or how large")
	case m.Name == "" || m.Name == "." || m.Name == ".." || strings.ContainsAny(m.Name, "/\x00"):
		return fmt.Errorf("%q can't be the name of a file", m.Name)
	case again:
		return fmt.Errorf("%q is the name of several things in one folder", m.Name)
	}
	return nil
}

// printable makes a name of what can't be one, to tell of it.
func printable(name string) string {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Sprintf("%q", name)
	}
	return name
}

// complete fills in what a server doesn't tell.
func complete(m entry.Meta) entry.Meta {
	if m.Mode.Perm() == 0 && m.Mode&^fs.ModeType == 0 {
		m.Mode = modes[m.Type]
	}
	if m.Type != entry.File {
		m.Size = 0
	}
	if m.ModTime.IsZero() {
		m.ModTime = time.Unix(0, 0)
	}
	if m.AccessTime.IsZero() {
		m.AccessTime = m.ModTime
	}
	if m.ChangeTime.IsZero() {
		m.ChangeTime = m.ModTime
	}
	if m.Type == entry.File && m.Links == 0 {
		m.Links = 1
	}
	return m
}

var modes = map[entry.Type]fs.FileMode{
	entry.File: 0o644, entry.Dir: fs.ModeDir | 0o755, entry.Symlink: fs.ModeSymlink | 0o777,
	entry.Fifo: fs.ModeNamedPipe | 0o644, entry.Device: fs.ModeDevice | 0o600, entry.CharDev: fs.ModeDevice | fs.ModeCharDevice | 0o600,
}
