//go:build linux

package conformance

import (
	"context"
	"testing"

	"github.com/backstay/backstay/engine/copier"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

// Snapshots of both sides go from a first repository to a second one by one side, and from there to a third one by the other.
func TestCopiesByEitherSideAreWholeAndKnowWhatTheyAreCopiesOf(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		for _, weGoFirst := range []bool{true, false} {
			name := "restic copies, then we"
			if weGoFirst {
				name = "we copy, then restic"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				first, second, third := newSite(t, bin, 2), newSite(t, bin, 2), newSite(t, bin, 2)
				root := newTree(t, treegen.Spec{Seed: 1, Dirs: 5, Files: 40, Traits: treegen.Sizes | treegen.Names | treegen.HardLinks})
				first.ourBackup(t, everything(), root)
				theirs, _ := first.theirBackup(t, "--tag", "kept", root)
				if weGoFirst {
					second.weCopy(t, first)
					third.theyCopy(t, second)
				} else {
					second.theyCopy(t, first)
					third.weCopy(t, second)
				}
				third.check(t)
				copies := 0
				for s, err := range snapshot.List(t.Context(), third.ours, snapshot.Filter{}) {
					if err != nil {
						t.Fatal(err)
					}
					copies++
					if s.Identity() == theirs.ID && (!s.HasTag("kept") || s.Tree != theirs.Tree || !s.Time.Equal(theirs.Time)) {
						t.Errorf("%s is copied as %+v", theirs.ID.Short(), s)
					}
					if _, err := snapshot.Load(t.Context(), first.ours, s.Identity()); err != nil {
						t.Errorf("the original of a copy is unknown: %v", err)
					}
					wantTree(t, root, third.ourRestore(t, s), treegen.Options{}, nothing)
				}
				if copies != 2 {
					t.Errorf("%d snapshots were copied, want 2", copies)
				}
			})
		}
	})
}

// theyCopy has restic copy all snapshots of from to s, twice: the second time there is nothing to do.
func (s *site) theyCopy(t *testing.T, from *site) {
	t.Helper()
	file := passwordFile(t, from.restic.Password)
	for range 2 {
		s.run(t, "copy", "--from-repo", from.restic.Dir, "--from-password-file", file)
	}
}

// weCopy copies all snapshots of from to s, twice.
func (s *site) weCopy(t *testing.T, from *site) {
	t.Helper()
	var all []*snapshot.Snapshot
	for found, err := range snapshot.List(t.Context(), from.ours, snapshot.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found)
	}
	for second := range 2 {
		s.locked(t, repo.Shared, func(ctx context.Context) error {
			result, err := copier.Copy(ctx, from.ours, s.ours, all, copier.Options{})
			for _, o := range result.Outcomes {
				if o.Err != nil || o.Skipped != (second == 1) {
					t.Errorf("copy of %s: %v, skipped: %t", o.Source.ID.Short(), o.Err, o.Skipped)
				}
			}
			return err
		})
	}
}

func TestARepositoryMadeToCutLikeAnotherGetsNothingNewAfterACopy(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		for _, weMakeIt := range []bool{true, false} {
			t.Run(map[bool]string{true: "we make it", false: "restic makes it"}[weMakeIt], func(t *testing.T) {
				t.Parallel()
				first, second := newSite(t, bin, 2), place(t, bin)
				root := newTree(t, treegen.Spec{Seed: 9, Dirs: 2, Files: 5, Traits: treegen.Sizes})
				first.ourBackup(t, everything(), root)
				args := []string{"init", "--from-repo", first.restic.Dir, "--from-password-file", passwordFile(t, password), "--copy-chunker-params"}
				if weMakeIt {
					if code, said := second.weRun(t, args...); code != 0 {
						t.Fatalf("backstay init ends with %d: %s", code, said)
					}
					second.open(t)
					second.theyCopy(t, first)
				} else {
					second.run(t, args...)
					second.open(t)
					second.weCopy(t, first)
				}
				_, ours := second.ourBackup(t, everything(), root)
				_, theirs := second.theirBackup(t, "--force", root)
				if ours.DataBlobs != 0 || theirs.DataBlobs != 0 {
					t.Errorf("after the copy we add %d data blobs, restic %d, want none", ours.DataBlobs, theirs.DataBlobs)
				}
			})
		}
	})
}
