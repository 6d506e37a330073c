package mem_test

import (
	"errors"
	"testing"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

func TestBackendKeepsThePromises(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Backend { return mem.New() })
}

func TestABodyWithAnotherHashIsRefused(t *testing.T) {
	b, body := mem.New(), storage.Bytes([]byte("content"))
	body.SHA256[0] ^= 1
	if err := b.Save(t.Context(), "config", body); !errors.Is(err, storage.ErrMismatch) {
		t.Errorf("Save with another hash = %v, want ErrMismatch", err)
	}
	if _, err := b.Stat(t.Context(), "config"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat after a refused Save = %v, want ErrNotFound", err)
	}
}

func TestACloneGoesItsOwnWay(t *testing.T) {
	b := mem.New()
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	clone := b.Clone()
	if err := b.Remove(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	if got, err := storage.LoadAll(t.Context(), clone, "config"); err != nil || string(got) != "x" {
		t.Errorf("LoadAll from the clone = %q, %v, want the file that was there", got, err)
	}
}
