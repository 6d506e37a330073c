//go:build linux

package conformance

import (
	"testing"

	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

func TestNeitherSideStoresDataThatTheOtherHasStored(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 2, func(t *testing.T, seed uint64) {
			t.Parallel()
			spec := treegen.Spec{Seed: seed, Files: 10, Traits: treegen.Sizes | treegen.Sparse}
			s, root := newSite(t, bin, 2), newTree(t, spec)
			src := files.New([]string{root}, everything())
			full := func() added { // every file is read
				_, a, err := backup(t, s.ours, src, src.Paths(), snapshot.Full)
				if err != nil {
					t.Fatal(err)
				}
				return a
			}
			_, first := s.theirBackup(t, root)
			if a := full(); a.DataBlobs != 0 || first.DataBlobs < 15 {
				t.Errorf("restic stored %d data blobs; of the same files we add %d", first.DataBlobs, a.DataBlobs)
			}
			s, root = newSite(t, bin, 2), newTree(t, spec)
			src = files.New([]string{root}, everything())
			first = full()
			if _, a := s.theirBackup(t, "--force", root); a.DataBlobs != 0 || first.DataBlobs < 15 {
				t.Errorf("we stored %d data blobs; of the same files restic adds %d", first.DataBlobs, a.DataBlobs)
			}
		})
	})
}
