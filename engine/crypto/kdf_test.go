package crypto

import (
	"bytes"
	"encoding/hex"
	"math"
	"testing"
)

func TestDerivedKeysEqualTheVector(t *testing.T) {
	key, err := KDF{N: 16384, R: 8, P: 1}.Derive("backstay-test-vector", bytes.Repeat([]byte("s"), SaltSize))
	if err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string]struct {
		got  []byte
		want string
	}{
		"encrypt": {key.encrypt[:], "4e625b93dca7557e57c0a851c3656867991a38a43fcd76e30b4b8ff31c5bd6b0"},
		"k":       {key.k[:], "294474dfcccdb0523a66b9a45641f37a"},
		"r":       {key.r[:], "b81e87a906126d783bdddb3733bfa9d9"},
	} {
		if got := hex.EncodeToString(part.got); got != part.want {
			t.Errorf("Derive: %s = %s, want %s", name, got, part.want)
		}
	}
}

func TestACostOutOfBoundsIsRefused(t *testing.T) {
	for _, c := range []struct {
		cost          KDF
		read, written bool
	}{
		{DefaultKDF, true, true},
		{KDF{1 << 15, 8, 1}, true, true},
		{KDF{1 << 17, 8, 1}, true, true},  // rustic's choice
		{KDF{1 << 14, 8, 1}, true, false}, // too weak
		{KDF{1 << 15, 4, 8}, true, false},
		{KDF{2, 1, 1}, true, false},
		{KDF{1 << 18, 8, 4}, true, true}, // 256 MiB and 1 GiB: the limits
		{KDF{1 << 18, 8, 5}, false, false},
		{KDF{1 << 19, 8, 1}, false, false},
		{KDF{1 << 15, 8, 33}, false, false},
		{KDF{}, false, false},
		{KDF{1, 8, 1}, false, false},
		{KDF{0, 8, 1}, false, false},
		{KDF{-1 << 15, 8, 1}, false, false},
		{KDF{math.MinInt, 8, 1}, false, false},
		{KDF{3 << 14, 8, 1}, false, false}, // not a power of two
		{KDF{1 << 15, 0, 1}, false, false},
		{KDF{1 << 15, 8, 0}, false, false},
		{KDF{1 << 15, -8, -1}, false, false},
		{KDF{1 << 30, 1, 1}, false, false},
		{KDF{2, math.MaxInt, 1}, false, false},
		{KDF{2, 1, math.MaxInt}, false, false},
		{KDF{2, 1, 1 << 22}, false, false}, // little memory for a lane, but very many of them
		{KDF{1 << 22, 1 << 22, 1 << 22}, false, false},
	} {
		if err := c.cost.valid(); (err == nil) != c.read {
			t.Errorf("valid(%+v) = %v, want ok %v", c.cost, err, c.read)
		}
		if err := c.cost.ValidForWriting(); (err == nil) != c.written {
			t.Errorf("ValidForWriting(%+v) = %v, want ok %v", c.cost, err, c.written)
		}
		if !c.read {
			if _, err := c.cost.Derive("p", make([]byte, SaltSize)); err == nil {
				t.Errorf("Derive(%+v) = nil error", c.cost)
			}
		}
	}
}

func TestASaltOfAnotherLengthIsRefused(t *testing.T) {
	for _, n := range []int{0, 32, SaltSize - 1, SaltSize + 1} {
		if _, err := (KDF{N: 2, R: 1, P: 1}).Derive("p", make([]byte, n)); err == nil {
			t.Errorf("Derive with a salt of %d bytes = nil error", n)
		}
	}
}

func TestPasswordAndSaltDecideTheKey(t *testing.T) {
	cost := KDF{N: 16, R: 1, P: 2}
	derive := func(password string, salt byte) Key {
		t.Helper()
		key, err := cost.Derive(password, bytes.Repeat([]byte{salt}, SaltSize))
		if err != nil {
			t.Fatal(err)
		}
		return *key
	}
	base := derive("p", 1)
	if again := derive("p", 1); again.encrypt != base.encrypt || again.k != base.k || again.r != base.r {
		t.Error("the same password and salt give another key")
	}
	for name, other := range map[string]Key{"password": derive("p ", 1), "salt": derive("p", 2)} {
		if other.encrypt == base.encrypt || other.k == base.k || other.r == base.r {
			t.Errorf("another %s gives a part of the same key", name)
		}
	}
}
