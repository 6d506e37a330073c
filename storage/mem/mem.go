// Package mem keeps a repository in memory, for tests and trials.
//
// It is a whole storage.Backend, checks the hash of a body where one is announced, and forgets everything with the
// process. Listings come in the order of the names, so that simulations with a seed repeat themselves.
package mem

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/backstay/backstay/storage"
)

// Backend is a storage.Backend in memory.
type Backend struct {
	mu    sync.RWMutex
	files map[string][]byte // guarded by mu; the bytes of a file never change
}

// New returns an empty Backend.
func New() *Backend { return &Backend{files: make(map[string][]byte)} }

// Save implements storage.Backend.
func (b *Backend) Save(ctx context.Context, name string, body storage.Body) error {
	if err := b.save(ctx, name, body); err != nil {
		return fmt.Errorf("save %q: %w", name, err)
	}
	return nil
}

func (b *Backend) save(ctx context.Context, name string, body storage.Body) error {
	if err := storage.CheckName(name); err != nil {
		return err
	}
	if _, ok := b.get(name); ok {
		return storage.ErrExists
	}
	content, err := read(ctx, body)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, ok := b.files[name]; ok {
		return storage.ErrExists
	}
	b.files[name] = content
	return nil
}

// read returns the content of body once it is known to be what was announced.
func read(ctx context.Context, body storage.Body) ([]byte, error) {
	r, content := body.Exact(ctx), make([]byte, body.Size)
	defer r.Close()
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, cmp.Or(r.Err(), err)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if known := body.SHA256 != [32]byte{}; known && sha256.Sum256(content) != body.SHA256 {
		return nil, fmt.Errorf("hash differs: %w", storage.ErrMismatch)
	}
	return content, nil
}

// Load implements storage.Backend.
func (b *Backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if ctx.Err() != nil {
		return fmt.Errorf("load %q: %w", name, context.Cause(ctx))
	}
	content, ok := b.get(name)
	if !ok {
		return fmt.Errorf("load %q: %w", name, storage.ErrNotFound)
	}
	if offset < 0 {
		return fmt.Errorf("load %q: offset %d is negative: %w", name, offset, storage.ErrPermanent)
	}
	if offset > int64(len(content)) || copy(p, content[offset:]) < len(p) {
		return fmt.Errorf("load %q: %d bytes at %d of %d: %w", name, len(p), offset, len(content), storage.ErrShort)
	}
	return nil
}

// List implements storage.Backend. It yields the files that were there when the iteration began.
func (b *Backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if err := storage.CheckName(dir); err != nil {
			yield(storage.Info{}, fmt.Errorf("list %q: %w", dir, err))
			return
		}
		for _, info := range b.infos(dir + "/") {
			if ctx.Err() != nil {
				yield(storage.Info{}, fmt.Errorf("list %q: %w", dir, context.Cause(ctx)))
				return
			}
			if !yield(info, nil) {
				return
			}
		}
		if ctx.Err() != nil {
			yield(storage.Info{}, fmt.Errorf("list %q: %w", dir, context.Cause(ctx)))
		}
	}
}

func (b *Backend) infos(prefix string) []storage.Info {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var infos []storage.Info
	for name, content := range b.files {
		if strings.HasPrefix(name, prefix) {
			infos = append(infos, storage.Info{Name: name, Size: int64(len(content))})
		}
	}
	slices.SortFunc(infos, func(a, b storage.Info) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// Stat implements storage.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (storage.Info, error) {
	if ctx.Err() != nil {
		return storage.Info{}, fmt.Errorf("stat %q: %w", name, context.Cause(ctx))
	}
	content, ok := b.get(name)
	if !ok {
		return storage.Info{}, fmt.Errorf("stat %q: %w", name, storage.ErrNotFound)
	}
	return storage.Info{Name: name, Size: int64(len(content))}, nil
}

// Remove implements storage.Backend.
func (b *Backend) Remove(ctx context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return fmt.Errorf("remove %q: %w", name, context.Cause(ctx))
	}
	delete(b.files, name)
	return nil
}

// Clone returns a Backend with the same files, which from then on goes its own way.
func (b *Backend) Clone() *Backend {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return &Backend{files: maps.Clone(b.files)}
}

func (b *Backend) get(name string) ([]byte, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	content, ok := b.files[name]
	return content, ok
}
