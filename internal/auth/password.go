package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is what a guess costs somebody who stole the hashes: memory in KiB, passes over it, and lanes that can be done at once.
type Cost struct {
	Memory, Passes uint32
	Lanes          uint8
}

// today is the cost of new hashes: RFC 9106's second choice with two lanes for four. It takes about 0.2 s of a small server's time.
var today = Cost{Memory: 64 << 10, Passes: 3, Lanes: 2}

// most bounds what a stored hash may ask for, so that a row that somebody changed can't exhaust the memory.
var most = Cost{Memory: 256 << 10, Passes: 10, Lanes: 16}

const (
	saltLength = 16
	keyLength  = 32
)

// errHash says nothing of the hash: in a log it could be guessed at.
var errHash = errors.New("the stored hash of the password is not one of argon2id")

// Hasher hashes passwords with argon2id, which makes guessing at stolen hashes dear. Each hash takes 64 MiB while it is computed, so
// only some are at once and the others wait: against a flood of sign-ins that would exhaust the memory. It may be used by any
// number of goroutines. A hash that was begun isn't broken off.
type Hasher struct {
	random io.Reader
	cost   Cost // of new hashes
	places chan struct{}
	derive func(password, salt []byte, passes, memory uint32, lanes uint8, length uint32) []byte // argon2.IDKey; tests count its calls
}

// NewHasher returns a Hasher that takes salts from random and computes at most atOnce hashes at a time. The zero Cost is what is right
// today; tests that sign in often, and are not about the strength of hashes, take less.
func NewHasher(random io.Reader, atOnce int, cost Cost) *Hasher {
	if cost == (Cost{}) {
		cost = today
	}
	return &Hasher{random: random, cost: cost, places: make(chan struct{}, atOnce), derive: argon2.IDKey}
}

// Hash returns what is kept of a password, with salt and cost in it ("$argon2id$v=19$m=65536,t=3,p=2$salt$key"). The password isn't
// judged: see CheckPassword.
func (h *Hasher) Hash(ctx context.Context, password string) (Secret, error) {
	salt := make([]byte, saltLength)
	if _, err := io.ReadFull(h.random, salt); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	key, err := h.key(ctx, password, salt, h.cost, keyLength)
	if err != nil {
		return "", err
	}
	return Secret(fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version, h.cost, b64.EncodeToString(salt), b64.EncodeToString(key))), nil
}

// Verify reports whether the password is the one that was hashed. Stale means that hashes cost something else by now: while the
// password is at hand the caller hashes it anew. It takes the same time whichever part of the password is wrong.
func (h *Hasher) Verify(ctx context.Context, password string, hash Secret) (ok, stale bool, err error) {
	c, salt, want, err := parseHash(string(hash))
	if err != nil || len(password) > maxPassword {
		return false, false, err
	}
	got, err := h.key(ctx, password, salt, c, uint32(len(want)))
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, c != h.cost || len(want) != keyLength, nil
}

// Burn does the work of Verify for an account that isn't there or has no password, so that the time of an answer doesn't tell which
// accounts there are. Only an account whose hash is stale still differs, until its owner signs in.
func (h *Hasher) Burn(ctx context.Context, password string) error {
	if len(password) > maxPassword {
		return nil
	}
	_, err := h.key(ctx, password, make([]byte, saltLength), h.cost, keyLength)
	return err
}

// key waits for a place, and computes.
func (h *Hasher) key(ctx context.Context, password string, salt []byte, c Cost, length uint32) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case h.places <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.places }()
	return h.derive([]byte(password), salt, c.Passes, c.Memory, c.Lanes, length), nil
}

var b64 = base64.RawStdEncoding.Strict()

func (c Cost) String() string { return fmt.Sprintf("m=%d,t=%d,p=%d", c.Memory, c.Passes, c.Lanes) }

// sane reports whether argon2 can compute it, within bounds.
func (c Cost) sane() bool {
	return c.Passes >= 1 && c.Lanes >= 1 && c.Memory >= 8*uint32(c.Lanes) &&
		c.Memory <= most.Memory && c.Passes <= most.Passes && c.Lanes <= most.Lanes
}

func parseHash(hash string) (c Cost, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	// encoding/base64 skips line breaks wherever they are, also when it is strict.
	if len(parts) != 6 || strings.ContainsAny(hash, "\r\n") || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return Cost{}, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Passes, &c.Lanes); err != nil || c.String() != parts[3] || !c.sane() {
		return Cost{}, nil, nil, errHash
	}
	salt, errSalt := b64.DecodeString(parts[4])
	key, errKey := b64.DecodeString(parts[5])
	if errSalt != nil || errKey != nil || len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64 {
		return Cost{}, nil, nil, errHash
	}
	return c, salt, key, nil
}
