//go:build linux

package conformance

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/cli"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

// ourCommand runs a command of ours that only reads and must succeed, as restic's is run.
func (s *site) ourCommand(t *testing.T, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := map[string]string{"BACKSTAY_REPOSITORY": s.restic.Dir, "BACKSTAY_PASSWORD": password}
	sys := cli.System{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: func(name string) string { return env[name] }}
	if code := cli.Main(t.Context(), append(args, "--no-lock"), sys); code != 0 {
		t.Fatalf("backstay %s ends with %d: %s", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.Bytes()
}

// days makes snapshots of a tree that changes, the last one by our side, and returns their ids. Some folders are empty, and so
// the same tree at several paths.
func (s *site) days(t *testing.T, seed uint64, n int) (ids []string) {
	t.Helper()
	spec := treegen.Random(seed)
	spec.Traits &^= treegen.Names // a path that is no UTF-8 is something else in the JSON of each restic
	spec.Wide = 40                // of few contents
	root := newTree(t, spec)
	for _, name := range []string{"none", "nothing", "none/at all"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for day := range n {
		if day > 0 {
			if err := treegen.Mutate(root, seed+uint64(day)); err != nil {
				t.Fatal(err)
			}
		}
		made, _ := s.theirBackup(t, root)
		if day == n-1 {
			made, _ = s.ourBackup(t, everything(), root)
		}
		ids = append(ids, made.ID.String())
	}
	return ids
}

// use is one line of find in the words of its JSON.
type use struct {
	ObjectType string    `json:"object_type"`
	ID         string    `json:"id"`
	Path       string    `json:"path"`
	ParentTree string    `json:"parent_tree"`
	Snapshot   string    `json:"snapshot"`
	Time       time.Time `json:"time"`
}

// decodeUses returns what find printed, sorted, each use once: restic names a file as often as it has the blob. It doesn't name
// the trees that have a tree.
func decodeUses(t *testing.T, out []byte) (uses []use) {
	t.Helper()
	if err := json.Unmarshal(out, &uses); err != nil {
		t.Fatalf("find printed %.500q: %v", out, err)
	}
	for i := range uses {
		uses[i].Time = uses[i].Time.UTC()
		if uses[i].ObjectType == "tree" {
			uses[i].ParentTree = ""
		}
	}
	slices.SortFunc(uses, func(a, b use) int {
		return strings.Compare(a.ID+a.Path+"\x00"+a.Snapshot, b.ID+b.Path+"\x00"+b.Snapshot)
	})
	return slices.Compact(uses)
}

func TestWhatUsesAnObjectIsWhatResticFinds(t *testing.T) {
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 2, func(t *testing.T, seed uint64) {
			t.Parallel()
			s := newSite(t, bin, 2)
			s.days(t, seed, 3)
			find := []string{"find", "--json", "--pack"}
			for _, id := range s.list(t, repo.Packs) {
				find = append(find, id.String())
			}
			ours := decodeUses(t, s.ourCommand(t, find...))
			theirs := decodeUses(t, s.run(t, find...))
			trees, blobs := split(ours)
			if len(trees) < 10 || len(blobs) < 10 {
				t.Fatalf("%d uses of trees and %d of blobs are found", len(trees), len(blobs))
			}
			s.sameTrees(t, trees)
			s.sameBlobs(t, blobs)
			if s.old() { // it looks for the blobs of a pack only
				ours = blobs
			}
			if diff := cmp.Diff(theirs, ours); diff != "" {
				t.Errorf("uses of all packs (-restic +ours)\n%s", diff)
			}
		})
	})
}

func split(all []use) (trees, blobs []use) {
	for _, u := range all {
		if u.ObjectType == "tree" {
			trees = append(trees, u)
		} else {
			blobs = append(blobs, u)
		}
	}
	return trees, blobs
}

// some returns n different ids of the uses.
func some(uses []use, n int) (ids []string) {
	for _, u := range uses {
		ids = append(ids, u.ID)
	}
	ids = slices.Compact(ids)
	return ids[:min(n, len(ids))]
}

// sameTrees looks for some trees, one by one. Restic tells of the first place in each snapshot.
func (s *site) sameTrees(t *testing.T, all []use) {
	t.Helper()
	for _, id := range append(some(all, 4), crypto.Hash([]byte("{\"nodes\":[]}\n")).String()) {
		ours := decodeUses(t, s.ourCommand(t, "find", "--json", "--tree", id))
		want := slices.DeleteFunc(slices.Clone(all), func(u use) bool { return u.ID != id })
		if diff := cmp.Diff(want, ours); diff != "" || len(want) == 0 {
			t.Errorf("uses of tree %s, and those of its pack (-pack +tree)\n%s", id, diff)
		}
		theirs := decodeUses(t, s.run(t, "find", "--json", "--tree", id))
		for _, u := range theirs {
			if !slices.Contains(ours, u) {
				t.Errorf("restic finds %+v", u)
			}
		}
		in := func(uses []use) (in []string) {
			for _, u := range uses {
				if u.Path != "/" || !s.old() { // which doesn't see roots
					in = append(in, u.Snapshot)
				}
			}
			slices.Sort(in)
			return slices.Compact(in)
		}
		if diff := cmp.Diff(in(theirs), in(ours)); diff != "" {
			t.Errorf("snapshots with tree %s (-restic +ours)\n%s", id, diff)
		}
	}
}

// sameBlobs looks for some blobs at once, by the first digits of their ids.
func (s *site) sameBlobs(t *testing.T, all []use) {
	t.Helper()
	args := []string{"find", "--json", "--blob"}
	for _, id := range some(all, 5) {
		args = append(args, id[:8])
	}
	theirs, ours := decodeUses(t, s.run(t, args...)), decodeUses(t, s.ourCommand(t, args...))
	if diff := cmp.Diff(theirs, ours); diff != "" || len(theirs) == 0 {
		t.Errorf("%s (-restic +ours)\n%s", strings.Join(args, " "), diff)
	}
}
