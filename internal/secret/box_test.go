package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

var place = Place{Table: "credentials", Row: "42", Column: "secret"}

func seal(t *testing.T, b *Box, value string) []byte {
	t.Helper()
	sealed, err := b.Seal(place, New(value))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestWhatWasSealedOpens(t *testing.T) {
	b := NewBox(NewRing(newKey(t, 1)), rand.Reader)
	for _, value := range []string{"", "x", canary, strings.Repeat("long ", 1<<18), "\x00\xff"} {
		sealed := seal(t, b, value)
		if got, err := b.Open(place, sealed); err != nil || got.Reveal() != value {
			t.Errorf("Open of %d bytes = %d bytes, %v", len(value), len(got.Reveal()), err)
		}
		if len(value) > 1 && bytes.Contains(sealed, []byte(value)) {
			t.Error("the sealed bytes show the value")
		}
		if len(sealed) != len(value)+97 {
			t.Errorf("%d bytes are %d when sealed, want 97 more", len(value), len(sealed))
		}
	}
}

func TestTheSealedFormIsTheOneItWasForever(t *testing.T) {
	const want = "01e7db93d5be113642030405010203040501020304ddaf5fb26e57320c08880a96e684d4b3108683d3382381153fd8153dded6628b74abde96f6a7a8b3c2824db897a4eebf" +
		"050102030405010203040501fab94e29f5faad0f6ae375cbe7114c08f2608a63323d8d83d4e2c1"
	b := NewBox(NewRing(newKey(t, 7)), bytes.NewReader(bytes.Repeat([]byte{1, 2, 3, 4, 5}, 100)))
	if got := hex.EncodeToString(seal(t, b, canary)); got != want {
		t.Errorf("sealed = %s, want %s", got, want)
	}
	sealed, _ := hex.DecodeString(want)
	if got, err := b.Open(place, sealed); err != nil || got.Reveal() != canary {
		t.Errorf("Open of what an earlier version sealed = %v", err)
	}
}

func TestAValueOpensInItsPlaceOnly(t *testing.T) {
	b := NewBox(NewRing(newKey(t, 1)), rand.Reader)
	sealed := seal(t, b, canary)
	for _, at := range []Place{
		{"credential", "42", "secret"}, {"credentials", "43", "secret"}, {"credentials", "42", "secre"}, {"credentials", "42", ""},
		{"credentials4", "2", "secret"}, {"credentials", "42s", "ecret"}, {"", "credentials42", "secret"}, {},
	} {
		if got, err := b.Open(at, sealed); !errors.Is(err, ErrUnauthentic) {
			t.Errorf("Open at %s = %s, %v, want ErrUnauthentic", at, got.Reveal(), err)
		}
	}
}

func TestADataKeyOfAnotherPlaceDoesNotOpenAValue(t *testing.T) {
	b := NewBox(NewRing(newKey(t, 1)), rand.Reader)
	one, other := seal(t, b, "one"), seal(t, b, "two")
	mixed := append(bytes.Clone(one[:headSize+wrappedSize]), other[headSize+wrappedSize:]...)
	if got, err := b.Open(place, mixed); !errors.Is(err, ErrUnauthentic) {
		t.Errorf("Open of one key and another value = %s, %v, want ErrUnauthentic", got.Reveal(), err)
	}
}

func TestEachFlippedBitAndEachCutIsFound(t *testing.T) {
	b := NewBox(NewRing(newKey(t, 1), newKey(t, 2)), rand.Reader)
	sealed := seal(t, b, canary)
	for bit := range len(sealed) * 8 {
		broken := bytes.Clone(sealed)
		broken[bit/8] ^= 1 << (bit % 8)
		if _, err := b.Open(place, broken); err == nil {
			t.Errorf("Open with bit %d flipped = nil error", bit)
		}
	}
	for n := range len(sealed) {
		if _, err := b.Open(place, sealed[:n]); err == nil {
			t.Errorf("Open of %d bytes of %d = nil error", n, len(sealed))
		}
	}
	if _, err := b.Open(place, append(sealed, 0)); !errors.Is(err, ErrUnauthentic) {
		t.Errorf("Open with a byte more = %v, want ErrUnauthentic", err)
	}
}

func TestAMissingKeyIsNamedWithWhatToDo(t *testing.T) {
	right, wrong := newKey(t, 1), newKey(t, 2)
	sealed := seal(t, NewBox(NewRing(right), rand.Reader), canary)
	_, err := NewBox(NewRing(wrong), rand.Reader).Open(place, sealed)
	var missing *NoKeyError
	if !errors.Is(err, ErrNoKey) || !errors.As(err, &missing) || missing.ID != right.ID() {
		t.Fatalf("Open with another key = %v, want a NoKeyError of %s", err, right.ID())
	}
	for _, part := range []string{place.String(), right.ID(), wrong.ID(), "add that key", "restore the key file"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q lacks %q", err, part)
		}
	}
}

func TestWhatANewerVersionSealedIsSaidToBeThat(t *testing.T) {
	b := NewBox(NewRing(newKey(t, 1)), rand.Reader)
	sealed := seal(t, b, canary)
	sealed[0] = 2
	if _, err := b.Open(place, sealed); !errors.Is(err, ErrVersion) {
		t.Errorf("Open of version 2 = %v, want ErrVersion", err)
	}
}

func TestAKeyIsReplacedWhileWhatItSealedStaysReadable(t *testing.T) {
	before := NewRing(newKey(t, 1))
	sealed := seal(t, NewBox(before, rand.Reader), canary)
	after, err := before.Rotate(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := NewBox(after, rand.Reader)
	if !b.Stale(sealed) || !b.Stale(nil) || NewBox(before, rand.Reader).Stale(sealed) {
		t.Error("Stale doesn't tell the current key from older ones")
	}
	again, err := b.Reseal(place, sealed)
	if err != nil || b.Stale(again) {
		t.Fatalf("Reseal = %v, and it is stale: %t", err, b.Stale(again))
	}
	// The old key may now go.
	if got, err := NewBox(NewRing(after.Current()), rand.Reader).Open(place, again); err != nil || got.Reveal() != canary {
		t.Errorf("Open with the new key alone = %s, %v", got.Reveal(), err)
	}
	if _, err := b.Reseal(Place{"credentials", "43", "secret"}, sealed); !errors.Is(err, ErrUnauthentic) {
		t.Errorf("Reseal in another place = %v, want ErrUnauthentic: a copy would become genuine", err)
	}
}

func TestNoNonceAndNoDataKeyComesTwice(t *testing.T) {
	b := NewBox(NewRing(newKey(t, 1)), rand.Reader)
	seen := map[string]bool{}
	for range 10_000 {
		sealed := seal(t, b, canary)
		for _, part := range [][]byte{sealed[headSize:][:nonceSize], sealed[headSize+nonceSize:][:keySize], sealed[headSize+wrappedSize:][:nonceSize]} {
			if seen[string(part)] {
				t.Fatal("a nonce or a sealed data key comes twice")
			}
			seen[string(part)] = true
		}
	}
}

func TestABrokenRandomSourceSealsNothing(t *testing.T) {
	for n := range 56 { // bytes that come before it breaks: a data key and two nonces are needed
		source := iotest.TimeoutReader(bytes.NewReader(bytes.Repeat([]byte{1}, n)))
		if _, err := NewBox(NewRing(newKey(t, 1)), source).Seal(place, New(canary)); err == nil || leaks(err.Error()) {
			t.Errorf("Seal with %d random bytes = %v", n, err)
		}
	}
	if _, err := NewBox(NewRing(newKey(t, 1)), bytes.NewReader(make([]byte, 100))).Seal(place, New(canary)); err == nil {
		t.Error("Seal with random bytes that are all zero = nil error")
	}
}

func TestABoxIsUsedFromManyGoroutines(t *testing.T) {
	b := NewBox(NewRing(newKey(t, 1), newKey(t, 2)), rand.Reader)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			at := Place{"t", fmt.Sprint(i), "c"}
			for range 100 {
				sealed, err := b.Seal(at, New(canary))
				if err != nil {
					t.Error(err)
				}
				if got, err := b.Open(at, sealed); err != nil || got.Reveal() != canary {
					t.Errorf("Open = %v", err)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkOpen(b *testing.B) {
	key, err := NewKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	box := NewBox(NewRing(key), rand.Reader)
	sealed, err := box.Seal(place, New(canary))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := box.Open(place, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	key, err := NewKey(bytes.NewReader(bytes.Repeat([]byte{1}, keySize)))
	if err != nil {
		f.Fatal(err)
	}
	b := NewBox(NewRing(key), bytes.NewReader(bytes.Repeat([]byte{2, 3}, 100)))
	sealed, err := b.Seal(place, New(canary))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:50])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, p []byte) {
		if got, err := b.Open(place, p); err == nil && !bytes.Equal(p, sealed) {
			t.Errorf("Open of bytes that nobody sealed = %q", got.Reveal())
		}
		b.Stale(p)
	})
}
