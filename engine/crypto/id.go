package crypto

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// ID is a SHA-256 hash: the name of a blob (of its plaintext) or of a file in the repository (of its stored bytes).
type ID [sha256.Size]byte

// Hash returns the ID of p.
func Hash(p []byte) ID { return sha256.Sum256(p) }

// ParseID reads 64 lower-case hex digits.
func ParseID(s string) (ID, error) {
	var id ID
	if err := id.UnmarshalText([]byte(s)); err != nil {
		return ID{}, err
	}
	return id, nil
}

// IsNull reports whether the ID is all zero, which stands for "none".
func (id ID) IsNull() bool { return id == ID{} }

// String returns the 64 hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 8 hex digits, for people.
func (id ID) Short() string { return hex.EncodeToString(id[:4]) }

// MarshalText returns the 64 hex digits.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText reads 64 lower-case hex digits.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(id)) {
		return fmt.Errorf("id %q: want 64 hex digits", text)
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("id %q: want 64 lower-case hex digits", text)
		}
	}
	_, err := hex.Decode(id[:], text)
	return err
}
