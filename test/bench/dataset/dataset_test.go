//go:build linux

package dataset

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/backstay/backstay/test/treegen"
)

func generate(t *testing.T, s Set, seed uint64) (root string, stats Stats) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "data")
	stats, err := s.Generate(t.Context(), root, seed)
	if err != nil {
		t.Fatal(err)
	}
	return root, stats
}

// contents compares names and bytes only: times are the clock's.
func contents(t *testing.T, a, b string) []treegen.Difference {
	t.Helper()
	found, err := treegen.Compare(a, b, treegen.Options{Ignore: []treegen.Fact{treegen.ModTime}, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestASeedAlwaysMakesTheSameDataAndTheSameDayTwo(t *testing.T) {
	for _, s := range Sets(0.0005) {
		t.Run(s.Name, func(t *testing.T) {
			a, _ := generate(t, s, 1)
			b, _ := generate(t, s, 1)
			if found := contents(t, a, b); len(found) > 0 {
				t.Errorf("two trees of seed 1 differ: %v", found)
			}
			for _, root := range []string{a, b} {
				if _, err := s.Mutate(root, 1); err != nil {
					t.Fatal(err)
				}
			}
			if found := contents(t, a, b); len(found) > 0 {
				t.Errorf("two trees of seed 1 differ on day 2: %v", found)
			}
			before, _ := generate(t, s, 1)
			if len(contents(t, before, a)) == 0 {
				t.Error("day 2 is equal to day 1")
			}
		})
	}
}

func TestSetsHaveAboutTheSizeTheySay(t *testing.T) {
	for _, s := range Sets(0.002) {
		_, stats := generate(t, s, 1)
		if ratio := float64(stats.Bytes) / float64(s.Bytes); ratio < 0.5 || ratio > 1.5 { // few files: their sizes vary much
			t.Errorf("%s has %d bytes, said %d", s.Name, stats.Bytes, s.Bytes)
		}
		if s.Name != "mixed" && stats.Files != s.Files { // how many programs there are depends on the machine
			t.Errorf("%s has %d files, said %d", s.Name, stats.Files, s.Files)
		}
	}
}

func TestSmallHasTenFilesInAFolderAndDuplicates(t *testing.T) {
	type content struct {
		seed uint64
		size int64
	}
	seen, folders := map[content]bool{}, map[string]bool{}
	var files, all, double int64
	for f := range small(0.3).plan(1) {
		files++
		all += f.size
		folders[filepath.Dir(f.path)] = true
		if c := (content{f.seed, f.size}); seen[c] {
			double += f.size
		} else {
			seen[c] = true
		}
	}
	if perFolder := float64(files) / float64(len(folders)); perFolder < 8 || perFolder > 14 {
		t.Errorf("small has %.1f files in a folder, want about 10", perFolder)
	}
	if share := float64(double) / float64(all); share < 0.18 || share > 0.35 {
		t.Errorf("%.2f of the bytes of small are in files that are there twice, want about a quarter", share)
	}
}

// TestContentCompressesLikeTheRealThing holds the made-up content to what was measured on real source trees (3.8 in
// files of that size), word text, dumps, logs and programs at the usual level of zstd.
func TestContentCompressesLikeTheRealThing(t *testing.T) {
	l := newLanguage(1)
	for _, c := range []struct {
		name        string
		kind        kind
		size        int64
		least, most float64
	}{
		{"code", l.code(), 9_300, 2.9, 4.2},
		{"code in large files", l.code(), 200_000, 3.2, 5},
		{"prose", l.prose, 256 << 10, 2, 3.2},
		{"dump", l.dump, 1 << 20, 3, 8},
		{"tar", l.archive(), 256 << 10, 2.5, 4.5},
		{"access log", l.accessLog, 256 << 10, 3, 8},
		{"json lines", l.jsonLines, 256 << 10, 2, 6},
		{"csv", csv, 256 << 10, 2.5, 5},
		{"machine code", l.machineCode(), 256 << 10, 1.5, 3.2},
		{"random", random, 256 << 10, 0.99, 1.01},
	} {
		got := ratio(t, c.kind, c.size)
		t.Logf("%s: 1/%.2f", c.name, got)
		if got < c.least || got > c.most {
			t.Errorf("%s compresses to 1/%.2f, want 1/%.1f to 1/%.1f", c.name, got, c.least, c.most)
		}
	}
}

func ratio(t *testing.T, k kind, size int64) float64 {
	t.Helper()
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	var raw, packed int
	for seed := range uint64(3) {
		var b bytes.Buffer
		if err := (file{size: size, kind: k, seed: seed}).fill(&b); err != nil {
			t.Fatal(err)
		}
		raw += b.Len()
		packed += len(encoder.EncodeAll(b.Bytes(), nil))
	}
	return float64(raw) / float64(packed)
}

func TestInsertMovesTheRestAndKeepsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	old := make([]byte, 5<<20)
	r := random(rand.New(rand.NewPCG(1, 1)))
	for b := old; len(b) > 0; {
		b = b[copy(b, r(nil)):]
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	piece := file{size: 1000, kind: random, seed: 7}
	var inserted bytes.Buffer
	if err := piece.fill(&inserted); err != nil {
		t.Fatal(err)
	}
	if err := insert(path, 1, 3, piece); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := len(old) / 3
	if want := slices.Concat(old[:at], inserted.Bytes(), old[at:]); !bytes.Equal(got, want) {
		t.Errorf("insert at a third made a file of %d bytes that is not the three parts, of %d bytes", len(got), len(want))
	}
}

func TestBigIsHalfCompressible(t *testing.T) {
	root, _ := generate(t, big(0.003), 1)
	b, err := os.ReadFile(filepath.Join(root, "disk.img"))
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if got := float64(len(b)) / float64(len(encoder.EncodeAll(b, nil))); got < 1.3 || got > 1.6 {
		t.Errorf("big compresses to 1/%.2f, want about 1/1.4", got)
	}
}
