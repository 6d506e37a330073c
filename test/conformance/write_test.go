//go:build linux

package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

func everything() files.Options { return files.Options{} }

func TestWhatWeWroteIsCheckedAndRestoredByRestic(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 4, func(t *testing.T, seed uint64) {
			t.Parallel()
			s := newSite(t, bin, 2)
			root := newTree(t, treegen.Random(seed))
			saved, _ := s.ourBackup(t, everything(), root)
			s.check(t)
			wantSameList(t, s, saved)
			restored := s.theirRestore(t, saved)
			wantTree(t, root, restored, treegen.Options{}, s.lostByRestic)
			theirs, _ := s.theirBackup(t, root)
			wantEqual(t, filepath.Join(s.theirRestore(t, theirs), root), filepath.Join(restored, root), treegen.Options{}, nothing) // what it loses it loses of its own
		})
	})
}

// A second backup takes what has not changed from the first one, whoever made that: the parent must not make a difference.
func TestAChangedTreeIsTheSameWhoeverBacksItUpAndAgainstWhat(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 3, func(t *testing.T, seed uint64) {
			t.Parallel()
			s := newSite(t, bin, 2)
			root := newTree(t, treegen.Random(seed+100))
			if seed%2 == 0 {
				s.ourBackup(t, everything(), root)
			} else {
				s.theirBackup(t, root)
			}
			if err := treegen.Mutate(root, seed); err != nil {
				t.Fatal(err)
			}
			ours, _ := s.ourBackup(t, everything(), root)
			theirs, a := s.theirBackup(t, "--force", root)
			if a.DataBlobs != 0 {
				t.Errorf("restic found %d data blobs that our backup of the same tree lacks", a.DataBlobs)
			}
			wantNoDiff(t, s, root, ours.ID.String(), theirs.ID.String())
			wantTree(t, root, s.ourRestore(t, ours), treegen.Options{Holes: true}, nothing)
			s.check(t)
		})
	})
}

// wantNoDiff has restic compare two snapshots of the tree at root, metadata included. The folders above are not looked at:
// other tests change them meanwhile. Folders are listed too where what is below them differs, as links do that an old restic destroys.
func wantNoDiff(t *testing.T, s *site, root, a, b string) {
	t.Helper()
	for line := range strings.Lines(string(s.run(t, "diff", "--metadata", a, b))) {
		kind, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "    ")
		changed := strings.ContainsAny(kind, "+-MUT?") && len(kind) <= 2 && strings.HasPrefix(path, root)
		if changed && !(s.old() && (strings.HasSuffix(path, "/") || badLink(path))) {
			t.Errorf("restic diff: %s", line)
		}
	}
}

// badLink reports whether path is a link whose target is no UTF-8.
func badLink(path string) bool {
	target, err := os.Readlink(path)
	return err == nil && !utf8.ValidString(target)
}
