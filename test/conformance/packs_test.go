//go:build linux

package conformance

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

// A blob takes its box, which is 32 bytes longer than what it holds, and an entry of 37 bytes, or 41 if it is compressed; a pack
// takes 36 besides.
func TestPacksAreAsLongAsTheirBlobsAndEntriesSay(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s, root := newSite(t, bin, 2), newTree(t, treegen.Spec{Seed: 1, Dirs: 3, Files: 30, Traits: treegen.Sizes})
		s.ourBackup(t, everything(), root)
		if err := treegen.Mutate(root, 1); err != nil {
			t.Fatal(err)
		}
		s.theirBackup(t, root)
		plain, packed := 0, 0
		for _, p := range s.packs(t) {
			size := int64(36)
			for _, b := range p.blobs(t) {
				if size += b.Length + 37; b.Uncompressed > 0 {
					size, packed = size+4, packed+1
				} else {
					plain++
				}
			}
			info, err := os.Stat(s.path(repo.Packs, p.ID))
			if err != nil || info.Size() != size {
				t.Errorf("pack %s: %v, %v, want %d bytes", p.ID.Short(), info, err, size)
			}
		}
		t.Logf("%d plain and %d compressed blobs", plain, packed)
		if packed == 0 {
			t.Error("no blob is compressed")
		}
	})
}

// The chunks of zeros are the same everywhere, whatever the polynomial.
func TestZerosAreOneChunkOnBothSides(t *testing.T) {
	const zeros = "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541"
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/zeros", make([]byte, 3_000_000), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, weBackUp := range []bool{true, false} {
			s := newSite(t, bin, 2)
			if weBackUp {
				s.ourBackup(t, everything(), dir)
			} else {
				s.theirBackup(t, dir)
			}
			data, found := 0, 0
			for _, p := range s.packs(t) {
				for _, b := range p.blobs(t) {
					if b.Type == "data" {
						data++
					}
					if b.ID == zeros {
						found++
					}
				}
			}
			if data != 2 || found != 1 {
				t.Errorf("of 3 MB of zeros there are %d data blobs, %d of them of 512 KiB of zeros, want 2 and 1; we backed up: %t", data, found, weBackUp)
			}
		}
	})
}

// packedBlob is a blob as an index file lists it.
type packedBlob struct {
	ID, Type     string
	Length       int64
	Uncompressed int64 `json:"uncompressed_length"`
}

func (p packed) blobs(t *testing.T) []packedBlob {
	t.Helper()
	var list []packedBlob
	if err := json.Unmarshal(marshal(t, p.Blobs), &list); err != nil {
		t.Fatal(err)
	}
	return list
}
