// Package rclone keeps a repository in a store that the rclone library speaks to: a kind of storage for each of its backends that
// is of use here.
//
// The remote tells what differs from kind to kind; everything else is common. A file comes to be in one of two ways: where the store
// can rename, it is put under a temporary name, whose last part starts with ".backstay-tmp-", and gets its own one once it is known to
// be whole; where the store shows a file only when it is whole, it is put under its own name at once. The size of what is there is compared
// before a Save succeeds, and so are its checksums as far as the store knows them.
//
// rclone is told all it has to know: it reads no file of its own and none of its environment variables, it repeats nothing by itself,
// it says nothing to its logger, which writes nowhere. It makes its connections through storage.Env.Dial, most of them through a tunnel
// in this process, since it can't be handed a dialer.
package rclone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strings"
	"sync"

	"github.com/rclone/rclone/fs"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

const tempPrefix = ".backstay-tmp-"

// Backend is a storage.Backend by way of rclone.
type Backend struct {
	remote  remote
	env     storage.Env
	known   known
	names   storage.Names // of the files that are being saved
	session session
}

// opened is a backend of rclone with the way that its connections go.
type opened struct {
	fs     fs.Fs
	ctx    context.Context // with the configuration of rclone
	tunnel *tunnel         // nil: the backend has a transport of ours
}

var (
	_ storage.Backend = (*Backend)(nil)
	_ storage.Sweeper = (*Backend)(nil)
)

// provide completes the description of a kind of storage by how its settings become those of rclone.
func provide(p storage.Provider, describe func(settings.Values) (remote, error)) storage.Provider {
	p.Connections = 5 // as many as restic has
	p.Open = func(v settings.Values, env storage.Env) (storage.Backend, error) {
		r, err := describe(v)
		if err != nil {
			return nil, err
		}
		for _, f := range p.Fields {
			if (f.Kind == settings.Secret || f.Kind == settings.Pages) && v[f.Name] != "" {
				r.secrets = append(r.secrets, v[f.Name])
			}
		}
		return newBackend(r, env), nil
	}
	return p
}

// newBackend returns the Backend of a remote. It asks nobody yet.
func newBackend(r remote, env storage.Env) *Backend {
	b := &Backend{remote: r, env: env}
	b.session.open = b.connect
	return b
}

// connect opens a backend of rclone.
func (b *Backend) connect(ctx context.Context) (*opened, error) {
	o, proxy := &opened{}, ""
	if b.remote.prepare == nil {
		t, err := newTunnel(b.env)
		if err != nil {
			return nil, err
		}
		o.tunnel, proxy = t, t.proxy()
	}
	r := b.remote
	o.ctx = r.configure(ctx, proxy)
	if r.each != nil {
		o.ctx = r.each(o.ctx)
	}
	f, err := r.open(o.ctx, b.env)
	if err != nil {
		if o.tunnel != nil {
			err = o.tunnel.explain(err)
			o.tunnel.close()
		}
		return nil, err
	}
	if o.fs = f; b.remote.wrap != nil {
		o.fs = b.remote.wrap(f, b.env)
	}
	if shutdown := f.Features().Shutdown; shutdown != nil { // some wait in the background for a token to end
		runtime.AddCleanup(o, func(shutdown func(context.Context) error) { _ = shutdown(context.Background()) }, shutdown)
	}
	if o.tunnel != nil {
		runtime.AddCleanup(o, (*tunnel).close, o.tunnel)
	}
	return o, nil
}

// do calls what asks rclone.
func (b *Backend) do(ctx context.Context, what, name string, ask func(ctx context.Context, f fs.Fs) error) error {
	if ctx.Err() != nil {
		return b.fail(what, name, context.Cause(ctx))
	}
	o, err := b.session.get(ctx)
	if err != nil {
		return b.fail(what, name, err)
	}
	inner := fs.CopyConfig(ctx, o.ctx)
	if b.remote.each != nil {
		inner = b.remote.each(inner)
	}
	err = ask(inner, o.fs)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case o.tunnel != nil:
		err = o.tunnel.explain(err)
	}
	runtime.KeepAlive(o)
	if err != nil {
		return b.fail(what, name, err)
	}
	return nil
}

// Load implements storage.Backend.
func (b *Backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	return b.do(ctx, "load", name, func(ctx context.Context, f fs.Fs) error {
		if err := checkName(name); err != nil {
			return err
		}
		object, remembered := b.known.take(name)
		if remembered {
			err := load(ctx, object, p, offset)
			if err == nil {
				b.known.put(name, object)
			}
			if err == nil || !b.gone(err) {
				return err
			}
		}
		object, err := f.NewObject(ctx, name) // again, for the file may have been removed and saved by somebody else
		if err == nil {
			err = load(ctx, object, p, offset)
		}
		if err == nil {
			b.known.put(name, object)
		}
		return err
	})
}

func load(ctx context.Context, object fs.Object, p []byte, offset int64) error {
	if end := offset + int64(len(p)); end > object.Size() {
		return fmt.Errorf("%d bytes at %d of %d: %w", len(p), offset, object.Size(), storage.ErrShort)
	}
	if len(p) == 0 {
		return nil
	}
	r, err := object.Open(ctx, &fs.RangeOption{Start: offset, End: offset + int64(len(p)) - 1})
	if err != nil {
		return err
	}
	_, err = io.ReadFull(r, p)
	if err == nil {
		err = checkEnd(r)
	}
	return errors.Join(err, r.Close())
}

// checkEnd finds out whether a server sent more than it was asked for: then it knows no ranges, and sent the file from its start.
func checkEnd(r io.Reader) error {
	n, err := io.ReadFull(r, make([]byte, 1))
	if n > 0 {
		return storage.Mark(errors.New("the server sends whole files where a part is asked for"), storage.ErrPermanent)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// Stat implements storage.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (info storage.Info, err error) {
	err = b.do(ctx, "stat", name, func(ctx context.Context, f fs.Fs) error {
		if err := checkName(name); err != nil {
			return err
		}
		object, err := f.NewObject(ctx, name)
		if err != nil {
			return err
		}
		info = storage.Info{Name: name, Size: object.Size()}
		b.known.put(name, object)
		return nil
	})
	return info, err
}

// Remove implements storage.Backend.
func (b *Backend) Remove(ctx context.Context, name string) error {
	err := b.do(ctx, "remove", name, func(ctx context.Context, f fs.Fs) error {
		if err := checkName(name); err != nil {
			return err
		}
		b.known.forget(name)
		return remove(ctx, f, name)
	})
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

func remove(ctx context.Context, f fs.Fs, name string) error {
	object, err := f.NewObject(ctx, name)
	if err != nil {
		return err
	}
	return object.Remove(ctx)
}

func checkName(name string) error {
	if err := storage.CheckName(name); err != nil {
		return err
	}
	if isTemp(name) {
		return fmt.Errorf("name %q is not one for a file: %w", name, storage.ErrPermanent)
	}
	return nil
}

func isTemp(name string) bool { return strings.HasPrefix(path.Base(name), tempPrefix) }

// maxKnown bounds the objects that are remembered: about a kilobyte each.
const maxKnown = 4096

// known remembers what rclone knows of files, so that reading one in parts asks the store once for its size. A file never changes,
// and one that was removed is noticed when it is read. Each is used by one call at a time, as rclone writes to them.
type known struct {
	mu      sync.Mutex
	objects map[string]fs.Object // guarded by mu
}

func (k *known) take(name string) (fs.Object, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	object, ok := k.objects[name]
	delete(k.objects, name)
	return object, ok
}

func (k *known) put(name string, object fs.Object) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.objects == nil {
		k.objects = make(map[string]fs.Object)
	}
	for any := range k.objects {
		if len(k.objects) < maxKnown {
			break
		}
		delete(k.objects, any)
	}
	k.objects[name] = object
}

func (k *known) forget(name string) { k.take(name) }
