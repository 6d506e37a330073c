//go:build linux

package conformance

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

// Whoever can write to the storage can copy a genuine file into another folder: its name and its seal stay good.
func TestAGenuineFileInTheWrongFolderStopsNobody(t *testing.T) {
	for _, c := range []struct{ from, to repo.FileType }{
		{repo.Index, repo.Snapshots},
		{repo.Index, repo.Locks},
		{repo.Snapshots, repo.Locks},
		{repo.Snapshots, repo.Index},
		{repo.Snapshots, repo.Keys},
	} {
		t.Run(string(c.from)+" among "+string(c.to), func(t *testing.T) {
			t.Parallel()
			s, root := newSite(t, resticbin.Newest(t), 2), newTree(t, treegen.Spec{Seed: 1, Dirs: 2, Files: 5})
			saved, _ := s.ourBackup(t, everything(), root)
			stray := s.list(t, c.from)[0]
			p, err := os.ReadFile(s.path(c.from, stray))
			if err != nil {
				t.Fatal(err)
			}
			s.save(t, c.to.Name(stray), p)
			r, err := s.again(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.ours = r
			found := s.findings(t)
			if !slices.ContainsFunc(found, func(f checker.Finding) bool { return f.Object.ID == stray }) {
				t.Errorf("check finds %+v, want the file named", found)
			}
			if latest, err := snapshot.Find(t.Context(), s.ours, snapshot.Latest, snapshot.Filter{}); err != nil || latest.ID != saved.ID {
				t.Errorf("latest snapshot = %v, %v", latest, err)
			}
			wantTree(t, root, s.ourRestore(t, saved), treegen.Options{}, nothing)
			s.ourBackup(t, everything(), root)
			s.locked(t, repo.Exclusive, func(context.Context) error { return nil })
		})
	}
}

// frame is p compressed in a frame that doesn't say how long it is, as streaming compressors make it.
func frame(t *testing.T, p []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	e, err := zstd.NewWriter(&b, zstd.WithWindowSize(512<<10))
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(p, 1<<20) {
		if _, err := e.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAFileWhoseFrameDoesNotTellItsLengthIsRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, resticbin.Newest(t), 2)
	for _, spaces := range []int{0, 10, 1000, 100_000, 10_000_000} {
		want := []byte(`{"packs":[` + strings.Repeat(" ", spaces) + "]}")
		box := s.seal(t, append([]byte{2}, frame(t, want)...))
		id := crypto.Hash(box)
		s.save(t, repo.Index.Name(id), box)
		if got, err := s.ours.LoadFile(t.Context(), repo.Index, id); err != nil || !bytes.Equal(got, want) {
			t.Errorf("an index of %d bytes in a box of %d reads as %d bytes, %v", len(want), len(box), len(got), err)
		}
	}
	s.check(t) // restic reads them too
}

// bomb is frames of 10 GiB of zeros in all, none of which says how long it is.
func bomb(t *testing.T) []byte {
	t.Helper()
	const each = 64 << 20
	return bytes.Repeat(frame(t, make([]byte, each)), 10<<30/each)
}

// No test runs beside this one: it measures the memory of the process.
func TestAZstdBombIsRefusedInBoundedMemory(t *testing.T) {
	s, frames := newSite(t, resticbin.Newest(t), 2), bomb(t)
	packed := append([]byte{2}, frames...)
	for _, c := range []struct {
		kind repo.FileType
		most uint64 // bytes
	}{{repo.Index, 1 << 30}, {repo.Snapshots, 100 << 20}, {repo.Locks, 16 << 20}} {
		box := s.seal(t, packed)
		id := crypto.Hash(box)
		s.save(t, c.kind.Name(id), box)
		taken := memory(func() {
			if _, err := s.ours.LoadFile(t.Context(), c.kind, id); !errors.Is(err, repo.ErrDamaged) {
				t.Errorf("load a bomb among %s = %v, want it damaged", c.kind, err)
			}
		})
		t.Logf("a bomb of %d KiB among %s takes %d MiB", len(box)>>10, c.kind, taken>>20)
		if taken > c.most {
			t.Errorf("a bomb among %s takes %d MiB, want at most %d", c.kind, taken>>20, c.most>>20)
		}
		if err := os.Remove(s.path(c.kind, id)); err != nil {
			t.Fatal(err)
		}
	}
	for _, length := range []uint32{10, 1 << 20, 1<<32 - 1} {
		h := s.plantBlob(t, frames, length)
		taken := memory(func() {
			if _, err := s.ours.LoadBlob(t.Context(), h, nil); !errors.Is(err, repo.ErrDamaged) {
				t.Errorf("load a blob that is a bomb said to be of %d bytes = %v, want it damaged", length, err)
			}
		})
		if most := uint64(64 << 20); taken > most {
			t.Errorf("a blob that is a bomb said to be of %d bytes takes %d MiB, want at most %d", length, taken>>20, most>>20)
		}
	}
}

// plantBlob saves a pack with one blob of such compressed bytes, and an index of it.
func (s *site) plantBlob(t *testing.T, packed []byte, length uint32) pack.Handle {
	t.Helper()
	box := s.seal(t, packed)
	h := pack.Handle{ID: crypto.Hash(box), Type: pack.Data}
	id := crypto.Hash(box)
	s.save(t, repo.Packs.Name(id), box)
	s.locked(t, repo.Shared, func(ctx context.Context) error {
		var f index.File
		f.Add(id, []pack.Blob{{Handle: h, Length: uint32(len(box)), UncompressedLength: length}})
		_, err := s.ours.SaveFile(ctx, repo.Index, f.JSON())
		return errors.Join(err, s.ours.LoadIndex(ctx))
	})
	return h
}

// memory returns how much do allocates, what it frees on the way included.
func memory(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
