package crypto

import (
	"bytes"
	"encoding/hex"
	"testing"

	xscrypt "golang.org/x/crypto/scrypt"
)

func TestScryptEqualsTheReference(t *testing.T) {
	for _, cost := range []KDF{{2, 1, 1}, {16, 1, 1}, {16, 3, 5}, {1024, 8, 16}, {4096, 1, 2}, {256, 17, 3}} {
		salt := bytes.Repeat([]byte{byte(cost.N), 's'}, 32)
		got, err := scrypt("a password", salt, cost, keyBytes)
		if err != nil {
			t.Fatal(err)
		}
		want, err := xscrypt.Key([]byte("a password"), salt, cost.N, cost.R, cost.P, keyBytes)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("scrypt(%+v) = %x, want %x", cost, got, want)
		}
	}
}

func TestScryptEqualsTheRFC(t *testing.T) {
	for _, vector := range []struct {
		password, salt string
		cost           KDF
		want           string
	}{
		{"", "", KDF{16, 1, 1}, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442" +
			"fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
		{"password", "NaCl", KDF{1024, 8, 16}, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162" +
			"2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
		{"pleaseletmein", "SodiumChloride", KDF{16384, 8, 1}, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2" +
			"d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
	} {
		got, err := scrypt(vector.password, []byte(vector.salt), vector.cost, 64)
		if err != nil {
			t.Fatal(err)
		}
		if hex.EncodeToString(got) != vector.want {
			t.Errorf("scrypt(%q, %q, %+v) = %x, want %s", vector.password, vector.salt, vector.cost, got, vector.want)
		}
	}
}

func BenchmarkScryptOneLane(b *testing.B) {
	for b.Loop() {
		if _, err := scrypt("p", make([]byte, 64), KDF{1 << 15, 8, 1}, keyBytes); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScryptOneLaneReference(b *testing.B) {
	for b.Loop() {
		if _, err := xscrypt.Key([]byte("p"), make([]byte, 64), 1<<15, 8, 1, keyBytes); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScryptDefault(b *testing.B) {
	for b.Loop() {
		if _, err := scrypt("p", make([]byte, 64), DefaultKDF, keyBytes); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScryptDefaultReference(b *testing.B) {
	for b.Loop() {
		if _, err := xscrypt.Key([]byte("p"), make([]byte, 64), 1<<15, 8, 8, keyBytes); err != nil {
			b.Fatal(err)
		}
	}
}
