package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// Use is what a ticket is for. A ticket for one use proves nothing in another.
type Use string

// The uses of tickets.
const (
	Session    Use = "session"    // in the cookie of a browser that signed in
	Invitation Use = "invitation" // in the link that somebody is invited by
	Ceremony   Use = "ceremony"   // in the cookie of a browser that is asked for a passkey
)

// NewTicket returns an id that can't be guessed (256 random bits, fit for cookies and links) and what is kept of it. Against
// sessions that were fixed beforehand callers make a new one at each sign-in and at each change of rights, and take none from outside.
func NewTicket(random io.Reader, use Use) (Secret, Digest, error) {
	id, err := unguessable(random)
	if err != nil {
		return "", "", err
	}
	return Secret(id), DigestTicket(id, use), nil
}

// DigestTicket returns the digest by which a ticket that came in is looked up.
func DigestTicket(id string, use Use) Digest { return digest(string(use), id) }

// unguessable is 256 random bits as text.
func unguessable(random io.Reader) (string, error) {
	b := make([]byte, 32)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// An API token is "bst_", 32 random letters (190 bits) and 6 letters of a checksum: scanners that look for secrets in sources and
// logs recognise it and don't cry wolf, and one that was cut or mistyped is told from one that is unknown.
const (
	tokenPrefix = "bst_"
	tokenBody   = 32
	tokenSum    = 6
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// ErrNotToken means that a text isn't an API token as NewToken makes them: it was cut, mistyped, or is something else.
var ErrNotToken = errors.New("not an API token")

// NewToken returns an API token and what is kept of it.
func NewToken(random io.Reader) (Secret, Digest, error) {
	body, err := randomBase62(random, tokenBody)
	if err != nil {
		return "", "", err
	}
	token := tokenPrefix + body + checksum(body)
	return Secret(token), digest("token", token), nil
}

// ReadToken returns the digest by which a token that came in is looked up; or ErrNotToken, which costs no look at the database.
func ReadToken(text string) (Digest, error) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(rest) != tokenBody+tokenSum || checksum(rest[:tokenBody]) != rest[tokenBody:] {
		return "", ErrNotToken
	}
	return digest("token", text), nil
}

// randomBase62 drops the bytes that would make some letters likelier than others.
func randomBase62(random io.Reader, length int) (string, error) {
	text, b := make([]byte, 0, length), make([]byte, 1)
	for len(text) < length {
		if _, err := io.ReadFull(random, b); err != nil {
			return "", fmt.Errorf("read random bytes: %w", err)
		}
		if int(b[0]) < 256/len(base62)*len(base62) {
			text = append(text, base62[int(b[0])%len(base62)])
		}
	}
	return string(text), nil
}

// checksum is the CRC-32 in base 62. It guards against typing errors, not against attackers.
func checksum(body string) string {
	sum, text := crc32.ChecksumIEEE([]byte(body)), make([]byte, tokenSum)
	for i := range text {
		text[tokenSum-1-i] = base62[sum%uint32(len(base62))]
		sum /= uint32(len(base62))
	}
	return string(text)
}
