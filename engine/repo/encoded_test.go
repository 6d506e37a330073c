package repo

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/storage/mem"
)

// encoded returns what LoadEncoded gives of the blobs of a pack.
func encoded(t testing.TB, r *Repo, id crypto.ID, blobs []pack.Blob) (all map[pack.Handle]Encoded, lost map[pack.Handle]error) {
	t.Helper()
	all, lost = make(map[pack.Handle]Encoded), make(map[pack.Handle]error)
	err := r.LoadEncoded(t.Context(), id, blobs, func(b pack.Blob, e Encoded, err error) error {
		if err != nil {
			lost[b.Handle] = err
			return nil
		}
		e.Plain, e.Packed = bytes.Clone(e.Plain), bytes.Clone(e.Packed)
		all[b.Handle] = e
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, lost
}

func TestLoadEncodedGivesWhatWasSealed(t *testing.T) {
	r := openFast(t, mem.New(), Options{Compression: Better})
	w := pack.NewWriter(r.key, r.opt.Rand, 0)
	want := map[pack.Handle]Encoded{}
	for _, text := range []string{strings.Repeat("compresses well ", 1000), "does not", strings.Repeat("so so ", 5)} {
		h := pack.Handle{ID: crypto.Hash([]byte(text)), Type: pack.Data}
		err := r.codec.Encode(h, []byte(text), func(e Encoded) error {
			_, err := w.Add(h, e.Packed, e.UncompressedLength)
			e.Packed = bytes.Clone(e.Packed)
			want[h] = e
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	id, p, blobs, err := w.Finish()
	if err == nil {
		err = r.saveRaw(t.Context(), Packs, id, bytes.Clone(p))
	}
	if err != nil {
		t.Fatal(err)
	}
	got, lost := encoded(t, r, id, blobs)
	if len(lost) > 0 {
		t.Errorf("LoadEncoded loses %v", lost)
	}
	for h, e := range want {
		if g := got[h]; g.Handle != h || !bytes.Equal(g.Plain, e.Plain) || !bytes.Equal(g.Packed, e.Packed) || g.UncompressedLength != e.UncompressedLength {
			t.Errorf("LoadEncoded of %s: %d bytes for %d, want %d for %d", h, len(g.Packed), len(g.Plain), len(e.Packed), len(e.Plain))
		}
	}
}

func TestLoadEncodedTakesADamagedBlobFromAnotherPack(t *testing.T) {
	b := mem.New()
	r := openFast(t, b, Options{})
	id, blobs := packed(t, r, 0, 500, 600, 700)
	flip(t, b, Packs.Name(id), int(blobs[1].Offset)+20)
	h := blobs[1].Handle
	if all, lost := encoded(t, r, id, slices.Clone(blobs)); len(all) != 2 || !errors.Is(lost[h], ErrDamaged) {
		t.Errorf("LoadEncoded with a damaged blob gives %d and loses %v", len(all), lost)
	}
	packed(t, r, 1, 600)
	all, lost := encoded(t, r, id, slices.Clone(blobs))
	if len(lost) > 0 || len(all) != 3 || crypto.Hash(all[h].Plain) != h.ID {
		t.Errorf("LoadEncoded with a second copy gives %d and loses %v", len(all), lost)
	}
}
