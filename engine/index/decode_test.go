package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
)

// listed is one pack as an index file lists it.
type listed struct {
	id    crypto.ID
	blobs []pack.Blob
}

func decode(p []byte) (packs []listed, err error) {
	err = Decode(p, func(id crypto.ID, blobs []pack.Blob) error {
		packs = append(packs, listed{id, slices.Clone(blobs)})
		return nil
	})
	return packs, err
}

func encode(packs []listed) []byte {
	var f File
	for _, l := range packs {
		f.Add(l.id, l.blobs)
	}
	return f.JSON()
}

func same(a, b listed) bool { return a.id == b.id && slices.Equal(a.blobs, b.blobs) }

// number returns an ID that is told apart from others by its number.
func number(n uint64) (id crypto.ID) {
	binary.BigEndian.PutUint64(id[:], n)
	return crypto.Hash(id[:])
}

func blob(n uint64, kind pack.Type, offset, length, plain uint32) pack.Blob {
	return pack.Blob{Handle: pack.Handle{ID: number(n), Type: kind}, Offset: offset, Length: length, UncompressedLength: plain}
}

func TestAnIndexFileIsWrittenAsReadersExpect(t *testing.T) {
	a, b := number(1), number(2)
	got := string(encode([]listed{
		{a, []pack.Blob{blob(3, pack.Data, 0, 50, 0), blob(4, pack.Data, 50, 43, 2)}},
		{b, []pack.Blob{blob(5, pack.Tree, 0, 32, 7)}},
	}))
	want := fmt.Sprintf(`{"packs":[{"id":"%s","blobs":[{"id":"%s","type":"data","offset":0,"length":50},`+
		`{"id":"%s","type":"data","offset":50,"length":43,"uncompressed_length":2}]},`+
		`{"id":"%s","blobs":[{"id":"%s","type":"tree","offset":0,"length":32,"uncompressed_length":7}]}]}`+"\n",
		a, number(3), number(4), b, number(5))
	if got != want {
		t.Errorf("JSON = %s, want %s", got, want)
	}
	if got := string(encode(nil)); got != `{"packs":[]}`+"\n" {
		t.Errorf("JSON of no packs = %q", got)
	}
}

func TestAFileIsEmptyAfterItsJSONWasTaken(t *testing.T) {
	var f File
	f.Add(number(1), []pack.Blob{blob(2, pack.Data, 0, 40, 0)})
	first := f.JSON()
	kept := bytes.Clone(first)
	if f.Blobs() != 0 {
		t.Errorf("Blobs after JSON = %d, want 0", f.Blobs())
	}
	f.Add(number(3), []pack.Blob{blob(4, pack.Tree, 0, 40, 0)})
	if f.JSON(); !bytes.Equal(first, kept) {
		t.Error("the JSON taken first was changed by what was added later")
	}
}

func TestAFileGoesPieceByPieceToWhereItIsSent(t *testing.T) {
	var kept File
	var sent bytes.Buffer
	f := File{To: &sent}
	for n := range uint64(3) {
		blobs := make([]pack.Blob, 2000)
		for i := range blobs {
			blobs[i] = blob(n<<32|uint64(i), pack.Data, uint32(i)*100, 100, 300)
		}
		kept.Add(number(n), blobs)
		f.Add(number(n), blobs)
		if behind := len(kept.buf) - sent.Len(); behind > 2*pieceBytes {
			t.Errorf("after pack %d, %d bytes were not sent yet", n, behind)
		}
	}
	if err := f.Close(); err != nil || !bytes.Equal(sent.Bytes(), kept.JSON()) {
		t.Errorf("Close = %v, with %d bytes sent that are not those of JSON", err, sent.Len())
	}
	broken := errors.New("broken")
	f = File{To: failing{broken}}
	f.Add(number(1), []pack.Blob{blob(2, pack.Data, 0, 40, 0)})
	if err := f.Close(); !errors.Is(err, broken) {
		t.Errorf("Close of a file that can't be sent = %v, want %v", err, broken)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var packs []listed
		for range rapid.IntRange(0, 5).Draw(t, "packs") {
			l := listed{id: number(rapid.Uint64().Draw(t, "pack"))}
			for range rapid.IntRange(0, 20).Draw(t, "blobs") {
				length := rapid.Uint32Range(crypto.Overhead, 1<<31).Draw(t, "length")
				l.blobs = append(l.blobs, blob(rapid.Uint64().Draw(t, "blob"), pack.Type(rapid.IntRange(0, 1).Draw(t, "type")),
					rapid.Uint32Range(0, 1<<31-1).Draw(t, "offset"), length, rapid.Uint32().Draw(t, "plain")))
			}
			packs = append(packs, l)
		}
		got, err := decode(encode(packs))
		if err != nil || !slices.EqualFunc(got, packs, same) {
			t.Fatalf("Decode = %v, %v, want %v", got, err, packs)
		}
	})
}

func TestFilesOfOtherProgramsAreDecoded(t *testing.T) {
	id := number(1).String()
	want := []listed{{number(1), []pack.Blob{blob(1, pack.Tree, 5, 40, 9)}}}
	for name, text := range map[string]string{
		"keys in another order, unknown keys and space": `{ "x":{"packs":[1,{}]}, "packs" : [ {"blobs":[{"uncompressed_length":9,
			"length":40,"extra":[null],"offset":5,"type":"tree","id":"` + id + `"}],"size":3,"id":"` + id + `"} ] }`,
		"superseded files": `{"supersedes":["` + id + `"],"packs":[{"id":"` + id + `","blobs":[{"id":"` + id +
			`","type":"tree","offset":5,"length":40,"uncompressed_length":9}]}]}`,
	} {
		if got, err := decode([]byte(text)); err != nil || !slices.EqualFunc(got, want, same) {
			t.Errorf("%s: Decode = %v, %v, want %v", name, got, err, want)
		}
	}
	for _, text := range []string{`{"packs":[{"id":"` + id + `","blobs":null}]}`, `{"packs":[{"id":"` + id + `"}]}`} {
		if got, err := decode([]byte(text)); err != nil || len(got) != 1 || len(got[0].blobs) != 0 {
			t.Errorf("Decode(%s) = %v, %v, want a pack of no blobs", text, got, err)
		}
	}
}

func TestWhatIsNoIndexIsRefused(t *testing.T) {
	id := number(1).String()
	one := func(blob string) string { return `{"packs":[{"id":"` + id + `","blobs":[` + blob + `]}]}` }
	for name, text := range map[string]string{
		"nothing":               ``,
		"a list":                `[]`,
		"null":                  `null`,
		"an empty object":       `{}`,
		"a snapshot":            `{"time":"2026-01-01T00:00:00Z","tree":"` + id + `","paths":["/home"]}`,
		"a lock":                `{"time":"2026-01-01T00:00:00Z","exclusive":false,"hostname":"h","pid":1}`,
		"packs null":            `{"packs":null}`,
		"packs an object":       `{"packs":{}}`,
		"packs in capitals":     `{"PACKS":[]}`,
		"packs twice":           `{"packs":[],"packs":[]}`,
		"something after it":    `{"packs":[]} {}`,
		"cut short":             `{"packs":[`,
		"a pack without id":     `{"packs":[{"blobs":[]}]}`,
		"a pack that is null":   `{"packs":[null]}`,
		"an id in capitals":     one(`{"id":"` + strings.ToUpper(id) + `","type":"data","offset":0,"length":40}`),
		"an id too short":       one(`{"id":"` + id[1:] + `","type":"data","offset":0,"length":40}`),
		"an id too long":        one(`{"id":"` + id + `0","type":"data","offset":0,"length":40}`),
		"a blob without id":     one(`{"type":"data","offset":0,"length":40}`),
		"a blob without type":   one(`{"id":"` + id + `","offset":0,"length":40}`),
		"a blob without offset": one(`{"id":"` + id + `","type":"data","length":40}`),
		"a blob without length": one(`{"id":"` + id + `","type":"data","offset":0}`),
		"an unknown type":       one(`{"id":"` + id + `","type":"leaf","offset":0,"length":40}`),
		"below a box's length":  one(`{"id":"` + id + `","type":"data","offset":0,"length":31}`),
		"a negative offset":     one(`{"id":"` + id + `","type":"data","offset":-1,"length":40}`),
		"a fraction":            one(`{"id":"` + id + `","type":"data","offset":1.0,"length":40}`),
		"an offset of 4 GiB":    one(`{"id":"` + id + `","type":"data","offset":4294967296,"length":40}`),
		"an end beyond 4 GiB":   one(`{"id":"` + id + `","type":"data","offset":4294967295,"length":40}`),
		"a plaintext of 4 GiB":  one(`{"id":"` + id + `","type":"data","offset":0,"length":40,"uncompressed_length":4294967296}`),
	} {
		if got, err := decode([]byte(text)); !errors.Is(err, ErrFormat) || got != nil {
			t.Errorf("%s: Decode = %v, %v, want ErrFormat", name, got, err)
		}
	}
}

func TestAnErrorOfTheCallerEndsTheReading(t *testing.T) {
	stop, calls := errors.New("stop"), 0
	err := Decode(encode([]listed{{id: number(1)}, {id: number(2)}}), func(crypto.ID, []pack.Blob) error {
		calls++
		return stop
	})
	if err != stop || calls != 1 {
		t.Errorf("Decode = %v after %d calls, want the caller's error after 1", err, calls)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(nil))
	f.Add(encode([]listed{{number(1), []pack.Blob{blob(2, pack.Data, 0, 40, 8), blob(3, pack.Tree, 40, 50, 0)}}, {id: number(4)}}))
	f.Add([]byte(`{"supersedes":["00"],"packs":[{"id":"` + number(1).String() + `","blobs":null}]}`))
	f.Fuzz(func(t *testing.T, p []byte) {
		packs, err := decode(p)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("Decode = %v, want an error that wraps ErrFormat", err)
			}
			return
		}
		again, err := decode(encode(packs))
		if err != nil || !slices.EqualFunc(again, packs, same) {
			t.Fatalf("what was decoded is encoded to %v, %v, want %v", again, err, packs)
		}
	})
}

// large returns the JSON of packs of 1,000 blobs each.
func large(packs int) []byte {
	var f File
	blobs := make([]pack.Blob, 1000)
	for n := range packs {
		for i := range blobs {
			blobs[i] = blob(uint64(n*len(blobs)+i), pack.Data, uint32(i)*1_200_000, 1_100_000, 1_234_567)
		}
		f.Add(number(1<<32+uint64(n)), blobs)
	}
	return f.JSON()
}

func TestDecodingAllocatesNothingForABlob(t *testing.T) {
	p := large(10)
	allocs := testing.AllocsPerRun(3, func() {
		if err := Decode(p, func(crypto.ID, []pack.Blob) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 20 { // the slice that grows to the largest pack
		t.Errorf("Decode of 10,000 blobs makes %v allocations", allocs)
	}
}

func BenchmarkDecode(b *testing.B) {
	p := large(500)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Decode(p, func(crypto.ID, []pack.Blob) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
