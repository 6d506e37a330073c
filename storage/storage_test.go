package storage_test

import (
	"errors"
	"io"
	"testing"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
)

func TestNamesOutsideTheStorageAreRefused(t *testing.T) {
	for name, want := range map[string]bool{
		"config": true, "data/ab/cd": true, ".hidden": true,
		"": false, ".": false, "..": false, "/config": false, "data/": false, "data//x": false, "data/../x": false, "../x": false,
	} {
		if err := storage.CheckName(name); (err == nil) != want || err != nil && !errors.Is(err, storage.ErrPermanent) {
			t.Errorf("CheckName(%q) = %v, want it taken: %t, else ErrPermanent", name, err, want)
		}
	}
}

func TestAMarkedErrorKeepsItsTextAndIsBoth(t *testing.T) {
	err := storage.Mark(io.ErrUnexpectedEOF, storage.ErrShort)
	if err.Error() != io.ErrUnexpectedEOF.Error() || !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, storage.ErrShort) {
		t.Errorf("Mark(%v, %v) = %v, want the same text, and both", io.ErrUnexpectedEOF, storage.ErrShort, err)
	}
}

func TestLoadAllReturnsTheWholeFileOrNothing(t *testing.T) {
	b := mem.New()
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("content"))); err != nil {
		t.Fatal(err)
	}
	if got, err := storage.LoadAll(t.Context(), b, "config"); err != nil || string(got) != "content" {
		t.Errorf("LoadAll = %q, %v", got, err)
	}
	if got, err := storage.LoadAll(t.Context(), b, "none"); !errors.Is(err, storage.ErrNotFound) || got != nil {
		t.Errorf("LoadAll of a file that isn't there = %q, %v, want ErrNotFound", got, err)
	}
}
