// Package secret keeps what nobody may read: in memory, where a Text never prints, and in the server's database, where a Box seals it.
//
// A Key is what all of it hangs on. It lives outside of the database: in a file, in the environment, or behind a command. A Ring is the
// key in use with those that were in use before, so that a key can be replaced while the server runs: what is Stale is sealed anew
// (Reseal), then the old key can go. Other packages get keys of their own of it, by purpose (Derive).
//
// Sealing is envelope encryption by AES-256-GCM: a value is sealed with a random key of its own, and that key with one derived from the
// master key. Both are bound to the place of the value, so that one which is copied to another row or column doesn't open there. The
// invariant: no key seals two values with the same nonce. Data keys are used once. The key that seals data keys takes random nonces of
// 96 bits, of which NIST SP 800-38D allows 2^32 for a key: a server that seals a thousand values each second reaches them after 49 days,
// and one that seals when a person types a password never does.
//
// What it does not do: an old sealed value that is put back into its own place opens. Only a record of what happened, such as an
// audit trail, tells of that.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The sealed form, of which the lengths are in bytes:
//
//	version 1 | key id 8 | sealed data key 60 | sealed value
//
// where what is sealed is a nonce of 12, the ciphertext and a tag of 16.
const (
	version     = 1
	headSize    = 1 + idSize
	nonceSize   = 12
	tagSize     = 16
	wrappedSize = nonceSize + keySize + tagSize
	minSize     = headSize + wrappedSize + nonceSize + tagSize
)

// Errors of a Box. Callers ask for them by errors.Is.
var (
	// ErrUnauthentic means that the bytes were not sealed for this place, or are damaged.
	ErrUnauthentic = errors.New("not sealed for this place, or damaged")
	// ErrVersion means that the bytes are of a version this program doesn't know.
	ErrVersion = errors.New("sealed by a newer version of Backstay")
	// ErrNoKey means that the ring lacks the key with which the bytes were sealed. The error is a *NoKeyError.
	ErrNoKey = errors.New("the key is missing")
)

// NoKeyError names the key that is missing.
type NoKeyError struct {
	ID    string   // of the key
	Known []string // the ids of those that are there
}

func (e *NoKeyError) Error() string {
	return fmt.Sprintf("it was sealed with key %s, which is missing: the keys given are %s; add that key after the one in use, or restore the key file that belongs to this database",
		e.ID, strings.Join(e.Known, ", "))
}

// Is reports that it is an ErrNoKey.
func (e *NoKeyError) Is(target error) bool { return target == ErrNoKey }

// Place is where a value is kept: nowhere else does it open.
type Place struct{ Table, Row, Column string }

func (p Place) String() string { return p.Table + "/" + p.Row + "." + p.Column }

// bind returns the bytes that bind what is sealed to the place and to what it is good for.
func (p Place) bind(use string, head []byte) []byte {
	bound := []byte("backstay sealed " + use + " 1\n")
	for _, part := range []string{string(head), p.Table, p.Row, p.Column} {
		bound = binary.BigEndian.AppendUint64(bound, uint64(len(part)))
		bound = append(bound, part...)
	}
	return bound
}

// Box seals values and opens them. Its methods may be called from any goroutine if that holds for its random source.
type Box struct {
	ring *Ring
	rand io.Reader
}

// NewBox returns a box with the keys of a ring and a source of random bytes.
func NewBox(ring *Ring, rand io.Reader) *Box { return &Box{ring, rand} }

// Seal returns the value sealed for a place with the current key. It is 97 bytes longer.
func (b *Box) Seal(at Place, value Text) ([]byte, error) {
	dataKey, err := random(b.rand, keySize)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", at, err)
	}
	sealed, err := b.wrap(at, dataKey)
	if err == nil {
		sealed, err = b.encrypt(sealed, dataKey, []byte(value.Reveal()), at.bind("value", nil))
	}
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", at, err)
	}
	return sealed, nil
}

// Open returns the value that was sealed for a place. The error wraps ErrUnauthentic, ErrVersion or ErrNoKey.
func (b *Box) Open(at Place, sealed []byte) (Text, error) {
	dataKey, err := b.unwrap(at, sealed)
	if err != nil {
		return Text{}, fmt.Errorf("open %s: %w", at, err)
	}
	value, err := decrypt(dataKey, sealed[headSize+wrappedSize:], at.bind("value", nil))
	if err != nil {
		return Text{}, fmt.Errorf("open %s: %w", at, err)
	}
	return New(string(value)), nil
}

// Stale reports whether bytes are sealed with another key than the current one, or in an older form, so that Reseal is due.
func (b *Box) Stale(sealed []byte) bool {
	return len(sealed) < headSize || string(sealed[:headSize]) != string(head(b.ring.Current()))
}

// Reseal returns the value sealed with the current key. It is opened on the way: what can't be opened is an error as of Open, and the
// old bytes are worth keeping until the reason is found.
func (b *Box) Reseal(at Place, sealed []byte) ([]byte, error) {
	value, err := b.Open(at, sealed)
	if err != nil {
		return nil, err
	}
	return b.Seal(at, value)
}

// wrap returns the head of a sealed value and its data key, sealed with the current key.
func (b *Box) wrap(at Place, dataKey []byte) ([]byte, error) {
	k := b.ring.Current()
	h := head(k)
	return b.encrypt(h, k.sealing(), dataKey, at.bind("key", h))
}

// unwrap returns the data key of a sealed value.
func (b *Box) unwrap(at Place, sealed []byte) ([]byte, error) {
	if len(sealed) > 0 && sealed[0] != version {
		return nil, fmt.Errorf("version %d: %w", sealed[0], ErrVersion)
	}
	if len(sealed) < minSize {
		return nil, fmt.Errorf("%d bytes: %w", len(sealed), ErrUnauthentic)
	}
	h := sealed[:headSize]
	id := hex.EncodeToString(h[1:])
	k, ok := b.ring.find(id)
	if !ok {
		return nil, &NoKeyError{ID: id, Known: b.ring.ids()}
	}
	return decrypt(k.sealing(), sealed[headSize:headSize+wrappedSize], at.bind("key", h))
}

// head returns what stands before all that is sealed with a key.
func head(k Key) []byte { return append([]byte{version}, k.id()...) }

// encrypt appends the nonce and the ciphertext to dst.
func (b *Box) encrypt(dst, key, plain, bound []byte) ([]byte, error) {
	nonce, err := random(b.rand, nonceSize)
	if err != nil {
		return nil, err
	}
	return gcm(key).Seal(append(dst, nonce...), nonce, plain, bound), nil
}

func decrypt(key, sealed, bound []byte) ([]byte, error) {
	plain, err := gcm(key).Open(nil, sealed[:nonceSize], sealed[nonceSize:], bound)
	if err != nil {
		return nil, ErrUnauthentic
	}
	return plain, nil
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for keys of another size
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for blocks of another size
	}
	return aead
}
