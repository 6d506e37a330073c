package crypto

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	//lint:ignore SA1019 as in crypto.go
	"golang.org/x/crypto/poly1305"
	"pgregory.net/rapid"
)

func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// vectorKey is the key of the box vectors: 00..1f, 40..4f, 80..8f.
func vectorKey(t testing.TB) *Key {
	t.Helper()
	ascending := func(from byte, n int) []byte {
		p := make([]byte, n)
		for i := range p {
			p[i] = from + byte(i)
		}
		return p
	}
	key, err := makeKey(ascending(0x00, 32), ascending(0x40, 16), ascending(0x80, 16))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func randomKey(t testing.TB) *Key {
	t.Helper()
	key, err := NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestBoxesEqualTheVectors(t *testing.T) {
	key := vectorKey(t)
	for plain, want := range map[string]string{
		"":                 "303132333435363738396162636465666e5ae9835b1b6687c2733a9dbd6cb118",
		"hello backstay\n": "30313233343536373839616263646566b0ac3b348c155c326cce58a56f0ab3a07809dd33084dfb541adc793e0eed61",
	} {
		box, err := key.Seal(nil, []byte(plain), strings.NewReader("0123456789abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(box); got != want {
			t.Errorf("Seal(%q) = %s, want %s", plain, got, want)
		}
		if got, err := key.Open(nil, mustHex(t, want)); err != nil || string(got) != plain {
			t.Errorf("Open(Seal(%q)) = %q, %v", plain, got, err)
		}
	}
}

func TestWhatWasSealedIsOpened(t *testing.T) {
	key := randomKey(t)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(t, "plain")
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "prefix")
		sealed, err := key.Seal(bytes.Clone(prefix), plain, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed) != len(prefix)+len(plain)+Overhead || !bytes.HasPrefix(sealed, prefix) {
			t.Fatalf("Seal(%x, %x) = %x, want the prefix and %d bytes more", prefix, plain, sealed, len(plain)+Overhead)
		}
		opened, err := key.Open(bytes.Clone(prefix), sealed[len(prefix):])
		if err != nil {
			t.Fatal(err)
		}
		if want := append(prefix, plain...); !bytes.Equal(opened, want) {
			t.Fatalf("Open = %x, want %x", opened, want)
		}
	})
}

func TestEachBitOfABoxCounts(t *testing.T) {
	key := randomKey(t)
	box, err := key.Seal(nil, []byte("a message of more than one cipher block"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(box) {
		box[i/8] ^= 1 << (i % 8)
		if got, err := key.Open(nil, box); !errors.Is(err, ErrUnauthentic) || got != nil {
			t.Errorf("Open with bit %d flipped = %x, %v, want ErrUnauthentic", i, got, err)
		}
		box[i/8] ^= 1 << (i % 8)
	}
	for n := range box {
		if _, err := key.Open(nil, box[:n]); !errors.Is(err, ErrUnauthentic) {
			t.Errorf("Open of the first %d bytes = %v, want ErrUnauthentic", n, err)
		}
	}
	if _, err := randomKey(t).Open(nil, box); !errors.Is(err, ErrUnauthentic) {
		t.Errorf("Open with another key = %v, want ErrUnauthentic", err)
	}
	if _, err := key.Open(nil, box); err != nil {
		t.Errorf("Open of the box mended again = %v", err)
	}
}

func TestABoxOpensInPlace(t *testing.T) {
	key := randomKey(t)
	box, err := key.Seal(nil, []byte("here"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := key.Open(box[16:16], box)
	if err != nil || string(plain) != "here" {
		t.Fatalf("Open in place = %q, %v", plain, err)
	}
	if &plain[0] != &box[16] {
		t.Error("Open in place used other memory")
	}
}

func TestARefusedBoxStaysAsItIs(t *testing.T) {
	key := randomKey(t)
	box, err := key.Seal(nil, []byte("here"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	box[17] ^= 1
	before := bytes.Clone(box)
	if _, err := key.Open(box[16:16], box); !errors.Is(err, ErrUnauthentic) {
		t.Fatalf("Open of a broken box = %v", err)
	}
	if !bytes.Equal(box, before) {
		t.Errorf("box after a refused Open = %x, want %x", box, before)
	}
}

func TestAnIVOfZerosIsRefused(t *testing.T) {
	key := randomKey(t)
	if _, err := key.Seal(nil, []byte("x"), bytes.NewReader(make([]byte, 16))); err == nil {
		t.Error("Seal with an IV of zeros = nil error")
	}
	box := make([]byte, Overhead+1)
	_, _, tag := split(box)
	poly1305.Sum((*[16]byte)(tag), box[ivSize:ivSize+1], key.oneTime(box[:ivSize]))
	if _, err := key.Open(nil, box); !errors.Is(err, ErrUnauthentic) {
		t.Errorf("Open of a box with a right tag and an IV of zeros = %v, want ErrUnauthentic", err)
	}
}

func TestSealNeedsRandomness(t *testing.T) {
	if got, err := randomKey(t).Seal(nil, []byte("x"), strings.NewReader("short")); err == nil {
		t.Errorf("Seal with 5 random bytes = %x, want an error", got)
	}
}

func TestSealAndOpenHardlyAllocate(t *testing.T) {
	key := randomKey(t)
	plain := make([]byte, 1000)
	box := make([]byte, 0, len(plain)+Overhead)
	allocs := testing.AllocsPerRun(100, func() {
		var err error
		if box, err = key.Seal(box[:0], plain, rand.Reader); err != nil {
			t.Fatal(err)
		}
		if _, err = key.Open(plain[:0], box); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 4 { // a counter-mode stream and a one-time key for each, of which the standard library keeps no reusable form
		t.Errorf("Seal and Open allocate %v times, want at most 4", allocs)
	}
}

func FuzzOpen(f *testing.F) {
	key := vectorKey(f)
	for _, plain := range []string{"", "hello backstay\n"} {
		box, err := key.Seal(nil, []byte(plain), strings.NewReader("0123456789abcdef"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(box)
	}
	f.Fuzz(func(t *testing.T, box []byte) {
		plain, err := key.Open(nil, box)
		if err != nil {
			if !errors.Is(err, ErrUnauthentic) {
				t.Errorf("Open(%x) = %v, want ErrUnauthentic", box, err)
			}
			return
		}
		again, err := key.Seal(nil, plain, bytes.NewReader(box[:ivSize]))
		if err != nil || !bytes.Equal(again, box) {
			t.Errorf("Open accepted %x, which Seal would not make: %x, %v", box, again, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) { benchmarkBox(b, false) }

func BenchmarkOpen(b *testing.B) { benchmarkBox(b, true) }

func benchmarkBox(b *testing.B, open bool) {
	key := randomKey(b)
	for name, size := range map[string]int{"1KiB": 1 << 10, "1MiB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			plain := make([]byte, size)
			box, err := key.Seal(nil, plain, rand.Reader)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if open {
					_, err = key.Open(plain[:0], box)
				} else {
					_, err = key.Seal(box[:0], plain, rand.Reader)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestOpensTellsWhatABoxHolds(t *testing.T) {
	key := randomKey(t)
	for _, n := range []int{0, 1, 4095, 4096, 4097, 20000} {
		plain := bytes.Repeat([]byte("backstay"), n/8+1)[:n]
		box, err := key.Seal(nil, plain, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !key.Opens(box, plain) {
			t.Errorf("Opens(box of %d bytes, its message) = false", n)
		}
		if key.Opens(box, append(bytes.Clone(plain), 0)) {
			t.Errorf("Opens(box of %d bytes, a longer message) = true", n)
		}
		for _, at := range []int{0, n / 2, n - 1} {
			if at < 0 || n == 0 {
				continue
			}
			other := bytes.Clone(plain)
			other[at] ^= 1
			if key.Opens(box, other) {
				t.Errorf("Opens(box of %d bytes, a message that differs at %d) = true", n, at)
			}
		}
		box[len(box)/2] ^= 1
		if key.Opens(box, plain) {
			t.Errorf("Opens(damaged box of %d bytes) = true", n)
		}
	}
}
