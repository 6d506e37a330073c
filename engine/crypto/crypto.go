// Package crypto seals what a repository stores, and names it.
//
// A box is a sealed message: a random 16-byte IV, the message encrypted with AES-256 in counter mode, and a 16-byte
// Poly1305-AES tag over that ciphertext. The tag's one-time key is r followed by the IV encrypted with AES-128 under k.
// A Key holds the three secrets for that: 32 bytes to encrypt with, k and r. The master key is a random Key that seals
// everything in one repository; it is itself kept in boxes, each sealed with a Key that scrypt derives from a password
// (see KDF). An ID is the SHA-256 by which blobs and files are named.
//
// The invariant: a box whose tag does not match is never decrypted. A box is bound to nothing but its key, neither to
// the name nor to the kind of the file it lies in, so whoever reads one compares the hash of the content with its name.
// This package does no I/O.
package crypto

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	//lint:ignore SA1019 Poly1305 over AES is what the repository format prescribes; the modern AEADs can't express it.
	"golang.org/x/crypto/poly1305"
)

// Overhead is how many bytes longer a box is than its message: IV and tag.
const Overhead = ivSize + poly1305.TagSize

const ivSize = 16

// ErrUnauthentic is returned for a box that was damaged, forged, or sealed with another key: these look the same.
var ErrUnauthentic = errors.New("not sealed with this key, or damaged")

// Seal appends a box of plain to dst, with an IV read from rand, which must be cryptographically random. The spare
// capacity of dst must not overlap plain.
func (k *Key) Seal(dst, plain []byte, rand io.Reader) ([]byte, error) {
	if !k.Valid() {
		return nil, errInvalidKey
	}
	start := len(dst)
	dst = slices.Grow(dst, len(plain)+Overhead)[:start+len(plain)+Overhead]
	iv, ciphertext, tag := split(dst[start:])
	if _, err := io.ReadFull(rand, iv); err != nil {
		return nil, fmt.Errorf("read random iv: %w", err)
	}
	if allZero(iv) {
		return nil, errors.New("read random iv: all zero, the random source is broken")
	}
	cipher.NewCTR(k.stream, iv).XORKeyStream(ciphertext, plain)
	poly1305.Sum((*[poly1305.TagSize]byte)(tag), ciphertext, k.oneTime(iv))
	return dst, nil
}

// Open verifies a box and appends its message to dst. The spare capacity of dst must not overlap the box, but may be
// exactly its ciphertext: Open(box[16:16], box) opens in place. The error is, or wraps, ErrUnauthentic for a box that
// does not verify; neither dst nor box is changed then.
func (k *Key) Open(dst, box []byte) ([]byte, error) {
	iv, ciphertext, err := k.verify(box)
	if err != nil {
		return nil, err
	}
	start := len(dst)
	dst = slices.Grow(dst, len(ciphertext))[:start+len(ciphertext)]
	cipher.NewCTR(k.stream, iv).XORKeyStream(dst[start:], ciphertext)
	return dst, nil
}

// verify checks the tag of a box and returns its parts.
func (k *Key) verify(box []byte) (iv, ciphertext []byte, err error) {
	if !k.Valid() {
		return nil, nil, errInvalidKey
	}
	if len(box) < Overhead {
		return nil, nil, fmt.Errorf("box of %d bytes, shorter than any: %w", len(box), ErrUnauthentic)
	}
	iv, ciphertext, tag := split(box)
	if allZero(iv) {
		return nil, nil, fmt.Errorf("box with an iv of zeros: %w", ErrUnauthentic)
	}
	if !poly1305.Verify((*[poly1305.TagSize]byte)(tag), ciphertext, k.oneTime(iv)) {
		return nil, nil, ErrUnauthentic
	}
	return iv, ciphertext, nil
}

// Opens reports whether Open of box gives plain. It takes no memory for the message: it opens it in pieces, while they
// are in the cache.
func (k *Key) Opens(box, plain []byte) bool {
	iv, ciphertext, err := k.verify(box)
	if err != nil || len(ciphertext) != len(plain) {
		return false
	}
	stream := cipher.NewCTR(k.stream, iv)
	piece := pieces.Get().(*[4 << 10]byte)
	defer pieces.Put(piece)
	for len(plain) > 0 {
		n := min(len(piece), len(plain))
		stream.XORKeyStream(piece[:n], ciphertext[:n])
		if !bytes.Equal(piece[:n], plain[:n]) {
			return false
		}
		ciphertext, plain = ciphertext[n:], plain[n:]
	}
	return true
}

var pieces = sync.Pool{New: func() any { return new([4 << 10]byte) }} // for Opens; never holds more than a piece of a message

// split returns the parts of a box of at least Overhead bytes.
func split(box []byte) (iv, ciphertext, tag []byte) {
	end := len(box) - poly1305.TagSize
	return box[:ivSize], box[ivSize:end], box[end:]
}

// oneTime returns the Poly1305 key for the box with this IV.
func (k *Key) oneTime(iv []byte) *[32]byte {
	var key [32]byte
	copy(key[:], k.r[:])
	k.tag.Encrypt(key[len(k.r):], iv)
	return &key
}

func allZero(p []byte) bool {
	return !slices.ContainsFunc(p, func(b byte) bool { return b != 0 })
}
