// Package auth is the mathematics and the protocols of proving who somebody is.
//
// A factor is one way to prove it: a password, a code that changes with time (TOTP), a passkey, a recovery code, or the word of
// another server (OIDC). A secret is what is shown once to its owner; what is kept of it is a digest or a hash, of which the secret
// can't be found again. Each function says which attack it is made against.
//
// The package keeps nothing and decides nothing about rights: callers store what it returns, in the transaction of which they read
// what they passed in. It has no pages, and imports no database; time and randomness are passed in.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// Secret is text that proves something to whoever holds it. Against secrets in logs, errors and answers it neither prints nor
// marshals: string(s) is the one way to show it to its owner. In an unexported field of a struct that is printed it would print.
type Secret string

// Format writes nothing of the secret, whatever the verb is.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret(hidden)") }

// MarshalText refuses, so that a secret that got into a document by mistake is noticed.
func (Secret) MarshalText() ([]byte, error) { return nil, errors.New("a secret is not written") }

// Digest is what is kept of a random secret, by which it is found again: a stolen database lets nobody in. It is of use only for
// secrets that can't be guessed; passwords are hashed by a Hasher.
type Digest string

// Equal compares in a time that doesn't tell how much of the two is the same.
func (d Digest) Equal(other Digest) bool {
	return subtle.ConstantTimeCompare([]byte(d), []byte(other)) == 1
}

// digest makes the digest of text for one use, so that a secret for one thing is never taken for that of another.
func digest(use, text string) Digest {
	sum := sha256.Sum256([]byte("backstay " + use + "\x00" + text))
	return Digest(hex.EncodeToString(sum[:]))
}
