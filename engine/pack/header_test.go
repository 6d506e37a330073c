package pack

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstay/backstay/engine/crypto"
)

func newKey(t testing.TB) *crypto.Key {
	t.Helper()
	key, err := crypto.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// tail returns the end of a pack with this header plaintext, as Parse takes it, and the size of the whole pack if its
// blobs take end bytes.
func tail(t testing.TB, key *crypto.Key, header []byte, end int64) (p []byte, size int64) {
	t.Helper()
	p, err := key.Seal(nil, header, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p = binary.LittleEndian.AppendUint32(p, uint32(len(p)))
	return p, end + int64(len(p))
}

func TestAnEntryTakes37BytesAndACompressedOne41(t *testing.T) {
	plain := Blob{Handle: Handle{ID: crypto.Hash([]byte("a")), Type: Tree}, Length: 0x01020304}
	packed := Blob{Handle: Handle{ID: crypto.Hash([]byte("b")), Type: Data}, Length: 43, UncompressedLength: 2}
	got := appendHeader(nil, []Blob{plain, packed})

	var want []byte
	want = append(want, 1, 4, 3, 2, 1)
	want = append(want, plain.ID[:]...)
	want = append(want, 2, 43, 0, 0, 0, 2, 0, 0, 0)
	want = append(want, packed.ID[:]...)
	if !bytes.Equal(got, want) {
		t.Errorf("appendHeader = %x, want %x", got, want)
	}
	if len(got) != 37+41 {
		t.Errorf("appendHeader of a plain and a compressed blob = %d bytes, want 37+41", len(got))
	}
	if n := HeaderSize([]Blob{plain, packed}); n != 37+41+32+4 {
		t.Errorf("HeaderSize = %d, want the entries, a box around them and four bytes of length, %d", n, 37+41+32+4)
	}
}

func TestAPackOfBothTypesIsParsed(t *testing.T) {
	key := newKey(t)
	blobs := []Blob{
		{Handle: Handle{ID: crypto.Hash([]byte("0")), Type: Data}, Length: 32}, // of no content
		{Handle: Handle{ID: crypto.Hash([]byte("1")), Type: Tree}, Offset: 32, Length: 100},
		{Handle: Handle{ID: crypto.Hash([]byte("2")), Type: Data}, Offset: 132, Length: 50, UncompressedLength: 7000},
		{Handle: Handle{ID: crypto.Hash([]byte("3")), Type: Tree}, Offset: 182, Length: 60, UncompressedLength: 300},
	}
	p, size := tail(t, key, appendHeader(nil, blobs), 242)
	got, err := Parse(key, size, p)
	if err != nil || !slices.Equal(got, blobs) {
		t.Errorf("Parse = %v, %v, want %v", got, err, blobs)
	}
}

func TestADamagedHeaderIsNamedSo(t *testing.T) {
	key := newKey(t)
	blobs := []Blob{
		{Handle: Handle{ID: crypto.Hash([]byte("1"))}, Length: 100},
		{Handle: Handle{ID: crypto.Hash([]byte("2"))}, Offset: 100, Length: 50, UncompressedLength: 7000},
	}
	header := appendHeader(nil, blobs)
	good, goodSize := tail(t, key, header, 150)
	if _, err := Parse(key, goodSize, good); err != nil {
		t.Fatalf("Parse of the header to be damaged: %v", err)
	}
	sealed := func(header []byte, end int64) func() ([]byte, int64) {
		return func() ([]byte, int64) { return tail(t, key, header, end) }
	}
	changed := func(at int, b byte) []byte {
		p := bytes.Clone(header)
		p[at] = b
		return p
	}
	length := func(n uint32) func() ([]byte, int64) {
		return func() ([]byte, int64) {
			p := bytes.Clone(good)
			binary.LittleEndian.PutUint32(p[len(p)-4:], n)
			return p, goodSize
		}
	}
	for _, c := range []struct {
		name string
		make func() ([]byte, int64)
	}{
		{"an empty file", func() ([]byte, int64) { return nil, 0 }},
		{"a file below the smallest pack", func() ([]byte, int64) { return good, MinSize - 1 }},
		{"less than a length given", func() ([]byte, int64) { return good[len(good)-3:], goodSize }},
		{"less than the header given", func() ([]byte, int64) { return good[1:], goodSize }},
		{"a header of no length", length(0)},
		{"a header shorter than a box", length(31)},
		{"a header shorter than an entry in a box", length(32 + 36)},
		{"a header longer than the file", length(uint32(goodSize))},
		{"a header above 16 MiB", length(16<<20 + 1)},
		{"a header of almost 4 GiB", length(1<<32 - 1)},
		{"a header one byte off", length(uint32(len(good)) - 4 - 1)},
		{"an unknown type", sealed(changed(0, 4), 150)},
		{"a type of all ones", sealed(changed(0, 0xff), 150)},
		{"a plain entry called compressed", sealed(changed(0, 2), 150)},
		{"a compressed entry called plain", sealed(changed(37, 0), 150)},
		{"a compressed blob of no length", sealed(append(bytes.Clone(header[:37+5]), append(make([]byte, 4), header[37+9:]...)...), 150)},
		{"a blob shorter than a box", sealed(changed(1, 31), 81)},
		{"an entry cut short", sealed(header[:len(header)-1], 150)},
		{"a byte after the last entry", sealed(append(bytes.Clone(header), 0), 150)},
		{"an entry missing", sealed(header[:37], 150)},
		{"blobs that end before the header", sealed(header, 151)},
		{"blobs that reach into the header", sealed(header, 149)},
		{"blobs beyond 4 GiB", sealed(append(changed(4, 0xff), changed(4, 0xff)...), 150)},
		{"another repository's key", func() ([]byte, int64) { return tail(t, newKey(t), header, 150) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, size := c.make()
			if got, err := Parse(key, size, p); !errors.Is(err, ErrHeader) || got != nil {
				t.Errorf("Parse = %v, %v, want ErrHeader", got, err)
			}
		})
	}
}

func TestEachFlippedBitOfAHeaderIsNoticed(t *testing.T) {
	key := newKey(t)
	good, size := tail(t, key, appendHeader(nil, []Blob{{Length: 100}, {Offset: 100, Length: 50, UncompressedLength: 9}}), 150)
	for i := range len(good) * 8 {
		p := bytes.Clone(good)
		p[i/8] ^= 1 << (i % 8)
		if got, err := Parse(key, size, p); !errors.Is(err, ErrHeader) {
			t.Fatalf("Parse with bit %d of %d flipped = %v, %v, want ErrHeader", i, len(good)*8, got, err)
		}
	}
}

func TestWhatIsListedIsParsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var blobs []Blob
		end := uint32(0)
		for range rapid.IntRange(1, 50).Draw(t, "count") {
			b := Blob{Offset: end, Length: rapid.Uint32Range(crypto.Overhead, 1<<24).Draw(t, "length")}
			b.ID = crypto.Hash([]byte{byte(end), byte(len(blobs))})
			b.Type = Type(rapid.IntRange(0, 1).Draw(t, "type"))
			b.UncompressedLength = rapid.Uint32().Draw(t, "plain")
			end += b.Length
			blobs = append(blobs, b)
		}
		header := appendHeader(nil, blobs)
		if n := HeaderSize(blobs); n != len(header)+crypto.Overhead+lengthSize {
			t.Fatalf("HeaderSize = %d, want %d", n, len(header)+crypto.Overhead+lengthSize)
		}
		got, gotEnd, err := parseEntries(header)
		if err != nil || gotEnd != int64(end) || !slices.Equal(got, blobs) {
			t.Fatalf("parseEntries = %v, %d, %v, want %v, %d", got, gotEnd, err, blobs, end)
		}
	})
}

// FuzzParse feeds the parser what a tag would keep from it: the header is sealed with the right key.
func FuzzParse(f *testing.F) {
	key := newKey(f)
	good := appendHeader(nil, []Blob{{Length: 100}, {Offset: 100, Length: 50, UncompressedLength: 9}})
	f.Add(good, int64(150), uint32(len(good)+32))
	f.Add(good[:37], int64(100), uint32(37+32))
	f.Add([]byte{}, int64(0), uint32(0))
	f.Fuzz(func(t *testing.T, header []byte, end int64, length uint32) {
		p, size := tail(t, key, header, end)
		binary.LittleEndian.PutUint32(p[len(p)-4:], length)
		blobs, err := Parse(key, size, p)
		if err != nil {
			if !errors.Is(err, ErrHeader) || blobs != nil {
				t.Fatalf("Parse = %v, %v, want ErrHeader and nothing else", blobs, err)
			}
			return
		}
		if again := appendHeader(nil, blobs); !bytes.Equal(again, header) {
			t.Fatalf("Parse took %x for what is written as %x", header, again)
		}
	})
}
