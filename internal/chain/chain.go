// Package chain makes changes of a log visible, such as that of an audit trail.
//
// An Entry is a record with its number, counted from 1, and a Hash of it and of the hash before, so that a hash stands for all that
// was written up to it. A Head is the hash at one moment, signed. Verify reads a log from its start, computes every hash anew, compares
// them with the heads, and names the first place that is wrong.
//
// What is shown to whom: hashes alone show mistakes, and changes by somebody who doesn't know that there are hashes. Against one who can
// compute them, such as the administrator of the database, stand the heads: entries up to a head can't be changed without the key that
// signed it. Against one who removes the end of the log together with the heads about it, or puts back an old copy of the whole
// database, stand heads that were kept elsewhere. So what comes after the last head from elsewhere is not protected, and a Report
// says how much that is. The invariant: a log that passes has the very records that had been written when each of the heads was signed.
//
// It stores nothing and knows nothing of what the records say.
package chain

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Hash stands for an entry and all before it. That of an empty log is zero.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns it in hexadecimal digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	p, err := hex.DecodeString(string(text))
	if err != nil || len(p) != len(h) {
		return errors.New("not a hash: want 64 hexadecimal digits")
	}
	*h = Hash(p)
	return nil
}

// Entry is one record of a log.
type Entry struct {
	Seq    uint64 // 1 for the first one
	Hash   Hash   // Link of the hash before, Seq and Record
	Record []byte // as Canonical gives it, so that it is the same bytes after any database
}

const (
	linkWords = "backstay chain link 1\n"
	headWords = "backstay chain head 1\n"
)

// Link returns the hash of an entry: SHA-256 of words that no other use of a hash begins with, the hash before, the number, and the
// record with its length before it.
func Link(prev Hash, seq uint64, record []byte) Hash {
	var head [len(linkWords) + sha256.Size + 16]byte
	p := append(append(head[:0], linkWords...), prev[:]...)
	p = binary.BigEndian.AppendUint64(p, seq)
	p = binary.BigEndian.AppendUint64(p, uint64(len(record)))
	sum := sha256.New()
	sum.Write(p)
	sum.Write(record)
	var h Hash
	sum.Sum(h[:0])
	return h
}

// Head says what the hash of a log was at one moment. To be of use where the database can't be trusted it is kept elsewhere.
type Head struct {
	Seq       uint64    `json:"seq"` // of the last entry; 0: the log was empty
	Hash      Hash      `json:"hash"`
	Time      time.Time `json:"time"` // in whole seconds, which each database keeps
	KeyID     string    `json:"key"`  // of the key that signed it
	Signature []byte    `json:"signature"`
}

// message returns the bytes that are signed.
func (h Head) message() []byte {
	p := append([]byte(headWords), h.Hash[:]...)
	p = binary.BigEndian.AppendUint64(p, h.Seq)
	p = binary.BigEndian.AppendUint64(p, uint64(h.Time.Unix()))
	p = binary.BigEndian.AppendUint64(p, uint64(h.Time.Nanosecond())) // 0, and so a time that was changed by less than a second is found
	return append(p, h.KeyID...)
}

func (h Head) equal(other Head) bool {
	return bytes.Equal(h.message(), other.message()) && bytes.Equal(h.Signature, other.Signature)
}

// Keys are the public keys of those who may sign heads, by their ids. Keys that are no longer used stay among them.
type Keys map[string]ed25519.PublicKey

// NewKeys returns keys by their ids.
func NewKeys(public ...ed25519.PublicKey) Keys {
	keys := make(Keys, len(public))
	for _, key := range public {
		keys[KeyID(key)] = key
	}
	return keys
}

// KeyID returns the id of a key: the beginning of its hash, in 16 hexadecimal digits.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

// Check returns an error if the head was not signed with one of the keys.
func (k Keys) Check(h Head) error {
	key, ok := k[h.KeyID]
	if !ok {
		return fmt.Errorf("it is signed with key %q, which is not known", h.KeyID)
	}
	if !ed25519.Verify(key, h.message(), h.Signature) {
		return fmt.Errorf("its signature is not of key %s", h.KeyID)
	}
	return nil
}

// Signer signs heads. It may be used from any goroutine.
type Signer struct {
	private ed25519.PrivateKey
	id      string
}

// NewSigner makes a signer of 32 secret random bytes, always the same one of the same bytes.
func NewSigner(seed []byte) *Signer {
	private := ed25519.NewKeyFromSeed(seed)
	return &Signer{private, KeyID(private.Public().(ed25519.PublicKey))}
}

// Public returns the key by which what it signs is checked.
func (s *Signer) Public() ed25519.PublicKey { return s.private.Public().(ed25519.PublicKey) }

// Sign returns the head of a log whose last entry has the number and the hash. Of the time it keeps whole seconds.
func (s *Signer) Sign(seq uint64, hash Hash, now time.Time) Head {
	h := Head{Seq: seq, Hash: hash, Time: now.UTC().Truncate(time.Second), KeyID: s.id}
	h.Signature = ed25519.Sign(s.private, h.message())
	return h
}
