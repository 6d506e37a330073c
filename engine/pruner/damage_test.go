package pruner_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// mix puts all blobs into one pack, as early programs did.
func (w *world) mix(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	mixed := pack.NewWriter(w.master, rand.Reader, 1<<20)
	for id, blobs := range w.repo.Index().EachPack() {
		err := w.repo.LoadEncoded(ctx, id, blobs, func(b pack.Blob, e repo.Encoded, err error) error {
			if err == nil {
				_, err = mixed.Add(b.Handle, e.Packed, e.UncompressedLength)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Concat(w.names(t, ctx, repo.Index), w.names(t, ctx, repo.Packs)) {
		if err := w.files.Remove(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	id, content, blobs, err := mixed.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.files.Save(ctx, repo.Packs.Name(id), storage.Bytes(content)); err != nil {
		t.Fatal(err)
	}
	var f index.File
	f.Add(id, blobs)
	w.saveFile(t, repo.Index, f.JSON())
}

// saveFile saves an unpacked file.
func (w *world) saveFile(t *testing.T, kind repo.FileType, plain []byte) (id crypto.ID) {
	t.Helper()
	err := w.locked(t.Context(), repo.Shared, func(ctx context.Context) (err error) {
		id, err = w.repo.SaveFile(ctx, kind, plain)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// place returns the one place where a chunk lies.
func (w *world) place(t *testing.T, chunk []byte) index.Location {
	t.Helper()
	if err := w.repo.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	locations := w.repo.Index().Lookup(pack.Handle{ID: crypto.Hash(chunk), Type: pack.Data})
	if len(locations) != 1 {
		t.Fatalf("a chunk is at %d places, want 1", len(locations))
	}
	return locations[0]
}

// change replaces a file.
func (w *world) change(t *testing.T, name string, how func(p []byte) []byte) {
	t.Helper()
	p, err := storage.LoadAll(t.Context(), w.files, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.files.Remove(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := w.files.Save(t.Context(), name, storage.Bytes(how(bytes.Clone(p)))); err != nil {
		t.Fatal(err)
	}
}
