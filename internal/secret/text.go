package secret

import (
	"crypto/subtle"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// stars is what stands where a secret would. It has one length, since the length of a password is a hint.
const stars = "********"

var (
	errMask  = errors.New("that is what stands for a secret, not a secret")
	errPlain = errors.New("a secret is stored sealed only")
)

// Text is a secret. It prints as stars with every verb, in JSON and in logs, and Reveal alone gives it out. From JSON it is read
// like a string, so that it can be a field of what a person sends. The zero value is empty.
//
// The string is behind a pointer, because fmt doesn't call the methods of what is in an unexported field of something else: there
// an address is printed.
type Text struct{ p *string }

// New returns s as a secret.
func New(s string) Text { return Text{&s} }

// Reveal returns the secret. Each call is a place to look at when asking where secrets go.
func (t Text) Reveal() string {
	if t.p == nil {
		return ""
	}
	return *t.p
}

// IsZero reports whether it is empty.
func (t Text) IsZero() bool { return t.Reveal() == "" }

// Equal reports whether both are the same secret, in a time that doesn't tell how much of them is.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

// Format writes stars, whatever the verb is.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, stars) }

// LogValue returns stars.
func (t Text) LogValue() slog.Value { return slog.StringValue(stars) }

// MarshalText returns stars; in JSON they are a string.
func (t Text) MarshalText() ([]byte, error) { return []byte(stars), nil }

// UnmarshalText takes a secret. It refuses the stars that MarshalText wrote: who sends back what was shown doesn't mean to change it.
func (t *Text) UnmarshalText(p []byte) error {
	if string(p) == stars {
		return errMask
	}
	*t = New(string(p))
	return nil
}

// Value refuses to be a value of a database: what a Box sealed is one.
func (t Text) Value() (driver.Value, error) { return nil, errPlain }
