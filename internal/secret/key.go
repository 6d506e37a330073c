package secret

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	keySize  = 32 // bytes, of a master key and of all that is derived from one
	sumSize  = 3  // bytes: with them the text is of whole groups, and a slip passes once in 16 million
	idSize   = 8  // bytes
	prefix   = "bsk_"
	groups   = 8                                  // of the text
	letters  = 7                                  // of a group
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's: without i, l, o and u
)

var (
	encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)
	// typed makes the text of a key as it was printed out of what somebody typed from paper.
	typed = strings.NewReplacer("-", "", "o", "0", "i", "1", "l", "1")
)

// Key is a master key: 32 random bytes of which all other keys are derived. It prints as its id.
type Key struct{ bytes Text }

// NewKey makes a key of random bytes.
func NewKey(rand io.Reader) (Key, error) {
	p, err := random(rand, keySize)
	if err != nil {
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	return Key{New(string(p))}, nil
}

// ParseKey reads the text of a key. Case and hyphens don't count, and letters that look like digits are taken for them. Errors don't
// repeat the text.
func ParseKey(text string) (Key, error) {
	lower := strings.ToLower(strings.TrimSpace(text))
	body, ok := strings.CutPrefix(lower, prefix)
	if !ok {
		return Key{}, errors.New("parse key: a key begins with " + prefix)
	}
	body = typed.Replace(body)
	if len(body) != groups*letters {
		return Key{}, fmt.Errorf("parse key: it has %d characters after %s, want %d", len(body), prefix, groups*letters)
	}
	p, err := encoding.DecodeString(body)
	if err != nil {
		return Key{}, errors.New("parse key: it has a character that no key has: want digits and letters without u")
	}
	k := Key{New(string(p[:keySize]))}
	if string(k.sum()) != string(p[keySize:]) {
		return Key{}, errors.New("parse key: its checksum is wrong, so a character is: compare it with where it was copied from")
	}
	return k, nil
}

// Text returns the key as it is kept and written down: bsk_ and eight groups of seven characters, the last ones of which are a
// checksum.
func (k Key) Text() Text {
	body := encoding.EncodeToString(append([]byte(k.bytes.Reveal()), k.sum()...))
	parts := make([]string, groups)
	for i := range parts {
		parts[i] = body[i*letters : (i+1)*letters]
	}
	return New(prefix + strings.Join(parts, "-"))
}

// ID returns the name of the key, 16 hexadecimal digits. It tells nothing of the key and stands in what is sealed with it.
func (k Key) ID() string { return hex.EncodeToString(k.id()) }

// Derive returns a key of 32 bytes for one purpose. Those of different purposes, and what a Box seals with, tell nothing of one
// another.
func (k Key) Derive(purpose string) []byte { return k.derive("purpose "+purpose, keySize) }

// Format writes the id, whatever the verb is.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "key "+k.ID()) }

func (k Key) id() []byte      { return k.derive("id", idSize) }
func (k Key) sealing() []byte { return k.derive("seal", keySize) }

func (k Key) derive(info string, size int) []byte {
	if k.bytes.IsZero() {
		panic("secret: a Key that was neither made nor parsed") // anybody could derive what it would
	}
	p, err := hkdf.Key(sha256.New, []byte(k.bytes.Reveal()), nil, "backstay key 1: "+info, size)
	if err != nil {
		panic(err) // only for sizes that no constant here has
	}
	return p
}

func (k Key) sum() []byte {
	sum := sha256.Sum256([]byte("backstay key checksum 1: " + k.bytes.Reveal()))
	return sum[:sumSize]
}

// random reads n bytes. A source that gives nothing but zeros is broken, and what it seals would be open to everybody.
func random(rand io.Reader, n int) ([]byte, error) {
	p := make([]byte, n)
	if _, err := io.ReadFull(rand, p); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	for _, b := range p {
		if b != 0 {
			return p, nil
		}
	}
	return nil, errors.New("read random bytes: all are zero, the random source is broken")
}
