//go:build linux

package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

// packed is a pack as an index file lists it.
type packed struct {
	ID    crypto.ID         `json:"id"`
	Blobs []json.RawMessage `json:"blobs"`
}

// indexForm is a way to tell in index files of the same packs. Whatever it is, both sides restore everything; check may say a word.
type indexForm struct {
	name     string
	files    func(all []packed) []string // the JSON of each index file
	old, new string                      // restic check before 0.19 and later: "clean", "hint" (exit code 0) or "error"
	ours     []checker.Kind              // what our check finds
	tidy     string                      // whose repair tidies it
}

func indexForms() []indexForm {
	const clean, hint, damage = "clean", "hint", "error"
	repeated, split := []checker.Kind{checker.PackRepeated}, []checker.Kind{checker.PackSplit}
	return []indexForm{
		{"a file for each pack", func(all []packed) (files []string) {
			for p := range slices.Chunk(all, 1) {
				files = append(files, listing(p))
			}
			return files
		}, clean, clean, nil, "theirs"},
		{"all packs in each of two files", func(all []packed) []string { return []string{listing(all), listing(all) + " "} }, hint, hint, repeated, "theirs"},
		{"one pack in each of two files", func(all []packed) []string { return []string{listing(all), listing(all[:1])} }, hint, hint, repeated, "theirs"},
		{"a pack twice in one file", func(all []packed) []string { return []string{listing(append(all, all[0]))} }, clean, clean, repeated, "ours"},
		// restic 0.18 hangs when it checks the data of this, and its repair loses one of the two lists
		{"the blobs of a pack in two files", func(all []packed) []string {
			a, b := all[0], all[0]
			a.Blobs, b.Blobs = a.Blobs[:1], b.Blobs[1:]
			return []string{listing(append([]packed{a}, all[1:]...)), listing([]packed{b})}
		}, hint, damage, split, "ours"},
		{"a file that supersedes another one, which is still there", func(all []packed) []string {
			old := listing(all)
			return []string{old, superseding(all, old)}
		}, hint, hint, repeated, "ours"},
		{"a file that supersedes another one, whose packs it lacks", func(all []packed) []string {
			old := listing(all[:1])
			return []string{old, superseding(all[1:], old)}
		}, clean, clean, nil, "theirs"},
		{"a file that supersedes one that is gone", func(all []packed) []string { return []string{superseding(all, "gone")} }, clean, clean, nil, "theirs"},
		{"an empty file more", func(all []packed) []string { return []string{listing(all), `{"packs":[]}`} }, clean, clean, nil, "ours"},
		{"a pack without blobs more", func(all []packed) []string {
			return []string{listing(all), listing([]packed{{ID: crypto.Hash(nil), Blobs: []json.RawMessage{}}})}
		}, clean, clean, []checker.Kind{checker.PackMissing}, "ours"},
		{"fields that nobody knows", func(all []packed) []string {
			return []string{strings.NewReplacer(`{"packs"`, `{"later":{"a":[1]},"packs"`, `"blobs"`, `"when":null,"blobs"`, `"offset"`, `"hash":"x","offset"`).Replace(listing(all))}
		}, clean, clean, nil, "theirs"},
	}
}

func listing(packs []packed) string {
	p, _ := json.Marshal(map[string]any{"packs": packs}) // it has no types that can't be encoded
	return string(p)
}

// superseding lists packs in a file that says to replace the one whose JSON is old. Its ID is not that of the file as stored, which
// nobody knows before it is sealed: all that counts is that what it names is not left out.
func superseding(packs []packed, old string) string {
	return fmt.Sprintf(`{"supersedes":[%q],%s`, crypto.Hash([]byte(old)), listing(packs)[1:])
}

func TestIndexFilesOfAnyFormAreReadByBothSides(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		for i, form := range indexForms() {
			t.Run(form.name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, bin, 2)
				root := newTree(t, treegen.Spec{Seed: uint64(i), Dirs: 2, Files: 10})
				ours, _ := s.ourBackup(t, everything(), root)
				if err := treegen.Mutate(root, 1); err != nil {
					t.Fatal(err)
				}
				theirs, _ := s.theirBackup(t, root)
				s.replaceIndex(t, form.files(s.packs(t)))
				s.wantVerdicts(t, form)
				wantTree(t, root, s.ourRestore(t, theirs), treegen.Options{}, nothing)
				wantEqual(t, s.theirRestore(t, ours), s.ourRestore(t, ours), treegen.Options{IgnoreRoot: true}, nothing)
				if form.tidy == "ours" {
					s.weTidy(t)
				} else {
					s.run(t, "rebuild-index")
				}
				s.open(t)
				s.check(t)
				wantTree(t, root, s.ourRestore(t, theirs), treegen.Options{}, nothing)
			})
		}
	})
}

// packs returns what the index files list.
func (s *site) packs(t *testing.T) (all []packed) {
	t.Helper()
	for _, id := range s.list(t, repo.Index) {
		p, err := s.ours.LoadFile(t.Context(), repo.Index, id)
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Packs []packed }
		if err := json.Unmarshal(p, &file); err != nil {
			t.Fatal(err)
		}
		all = append(all, file.Packs...)
	}
	if len(all) < 2 {
		t.Fatalf("the index lists %d packs, want several", len(all))
	}
	return all
}

// replaceIndex puts other index files in the place of those that are there.
func (s *site) replaceIndex(t *testing.T, files []string) {
	t.Helper()
	for _, id := range s.list(t, repo.Index) {
		if err := os.Remove(s.path(repo.Index, id)); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		box := s.seal(t, append([]byte{2}, frame(t, []byte(file))...))
		s.save(t, repo.Index.Name(crypto.Hash(box)), box)
	}
	s.open(t)
}

func (s *site) wantVerdicts(t *testing.T, form indexForm) {
	t.Helper()
	want, got := form.new, "clean"
	if s.before(19) {
		want = form.old
	}
	_, err := s.restic.Run(t.Context(), "check")
	if err != nil {
		got = "error"
	} else if err = s.restic.Check(t.Context()); err != nil {
		got = "hint"
	}
	if got != want {
		t.Errorf("restic check: %s, want %s: %v", got, want, err)
	}
	var kinds []checker.Kind
	for _, f := range s.findings(t) {
		if !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	if !slices.Equal(kinds, form.ours) {
		t.Errorf("our check finds %q, want %q", kinds, form.ours)
	}
}

// weTidy has our command line repair the index, and prune what is there more than once.
func (s *site) weTidy(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{{"repair", "index"}, {"prune"}} {
		if code, said := s.weRun(t, args...); code != 0 {
			t.Errorf("backstay %s ends with %d: %s", args, code, said)
		}
	}
}
