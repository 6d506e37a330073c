//go:build linux

package conformance

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

// zones have summer times and odd offsets, but since 1901 no offsets with seconds: RFC 3339 can't tell those, and there restic
// cuts the seconds off, which makes the time another one, while we write UTC.
func zones() []string {
	return []string{"UTC", "Europe/Berlin", "America/New_York", "Pacific/Chatham", "Australia/Lord_Howe", "Pacific/Honolulu"}
}

// A relative path is backed up without the folders above it, so both sides see just the same.
func TestTreesOfTheSameFilesAreTheSameBytes(t *testing.T) {
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 6, func(t *testing.T, seed uint64) {
			s := newSite(t, bin, 2)
			work := t.TempDir()
			if err := treegen.Generate(filepath.Join(work, "tree"), treegen.Random(seed+200)); err != nil {
				t.Fatal(err)
			}
			if s.old() {
				removeBadLinks(t, work)
			}
			inZone(t, s, zones()[seed%6])
			t.Chdir(work)
			s.restic.Work = work
			wantSameTree(t, s, everything(), nil, "tree")
			if seed > 2 {
				return
			}
			for _, paths := range [][]string{{"."}, {"tree/names"}, {"./tree/../tree/names/"}, {"tree/names", "tree"}} { // an absolute one takes in the times of /tmp, which others change
				wantSameTree(t, s, everything(), nil, paths...)
			}
			wantSameTree(t, s, files.Options{Exclude: []string{"*.txt", "names/[a-m]*", "**/wide", "!*.html"}},
				[]string{"--exclude", "*.txt", "--exclude", "names/[a-m]*", "--exclude", "**/wide", "--exclude", "!*.html"}, "tree")
			wantSameTree(t, s, files.Options{InsensitiveExclude: []string{"*.TXT"}, ExcludeLargerThan: 1000, OneFileSystem: true},
				[]string{"--iexclude", "*.TXT", "--exclude-larger-than", "1000", "--one-file-system"}, "tree")
		})
	})
}

func TestAccessTimesAreTheSameBytes(t *testing.T) {
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		s := newSite(t, bin, 2)
		root := newTree(t, treegen.Spec{Seed: 1, Dirs: 5, Files: 20})
		t.Chdir(filepath.Dir(root))
		s.restic.Work = filepath.Dir(root)
		s.ourBackup(t, files.Options{AccessTime: true}, "tree") // reading a folder for the first time may set its access time
		wantSameTree(t, s, files.Options{AccessTime: true}, []string{"--with-atime"}, "tree")
	})
}

func TestTimesKeepTheirMomentWhereTheOffsetOfTheZoneHadSeconds(t *testing.T) {
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		s := newSite(t, bin, 2)
		inZone(t, s, "Africa/Monrovia") // 44 minutes and 30 seconds behind until 1972
		root := newTree(t, treegen.Spec{Seed: 1, Dirs: 5, Files: 50, Traits: treegen.Times})
		saved, _ := s.ourBackup(t, everything(), root)
		wantTree(t, root, s.ourRestore(t, saved), treegen.Options{}, nothing)
		wantTree(t, root, s.theirRestore(t, saved), treegen.Options{}, s.lostByRestic)
	})
}

// inZone has both sides believe that they are in a time zone. No test runs beside this one.
func inZone(t *testing.T, s *site, name string) {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Local
	t.Cleanup(func() { time.Local = before })
	time.Local = zone
	s.restic.Env = []string{"TZ=" + name}
}

// wantSameTree backs up with both sides, alternately with and without each other as parent, and compares the IDs of the trees.
func wantSameTree(t *testing.T, s *site, opt files.Options, args []string, paths ...string) {
	t.Helper()
	ours, _ := s.ourBackup(t, opt, paths...)
	theirs, a := s.theirBackup(t, append(args, paths...)...)
	if ours.Tree != theirs.Tree {
		t.Errorf("backup of %q: our tree is %s, restic's %s:\n%s", paths, ours.Tree.Short(), theirs.Tree.Short(),
			s.run(t, "diff", "--metadata", ours.ID.String(), theirs.ID.String()))
	}
	if a.DataBlobs != 0 || a.TreeBlobs != 0 {
		t.Errorf("backup of %q: after ours restic adds %d data blobs and %d trees", paths, a.DataBlobs, a.TreeBlobs)
	}
	for i, path := range ours.Paths {
		if theirs.Paths[i] != path {
			t.Errorf("paths of the snapshot of %q are %q for us, %q for restic", paths, ours.Paths, theirs.Paths)
		}
	}
}

// removeBadLinks removes the links whose targets an old restic destroys: it names other bytes than those that are there.
func removeBadLinks(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && badLink(path) {
			err = os.Remove(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
