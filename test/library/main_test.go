package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestAnotherProgramBacksUpReadsAndRestores(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "sub", "letter.txt"), []byte("dear reader\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out, filepath.Join(dir, "repository"), folder, filepath.Join(dir, "restored")); err != nil {
		t.Fatal(err)
	}
	if want := "snapshot of example\nletter.txt: dear reader\n"; out.String() != want {
		t.Errorf("it prints %q, want %q", out.String(), want)
	}
	got, err := os.ReadFile(filepath.Join(dir, "restored", folder, "sub", "letter.txt"))
	if err != nil || string(got) != "dear reader\n" {
		t.Errorf("restored %q, %v", got, err)
	}
}

func TestASecondRepositoryAtOnePlaceIsRefused(t *testing.T) {
	dir := t.TempDir()
	for i, wantError := range []bool{false, true} {
		err := run(t.Context(), &bytes.Buffer{}, filepath.Join(dir, "repository"), t.TempDir(), filepath.Join(dir, "restored"))
		if (err != nil) != wantError {
			t.Errorf("run %d: %v", i, err)
		}
	}
}
