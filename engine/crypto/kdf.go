package crypto

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"
	"math/bits"
)

// SaltSize is how many bytes of random salt go with each password.
const SaltSize = 64

// KDF is the cost of deriving a key from a password with scrypt (RFC 7914): P lanes of 128·N·R bytes each, every one
// filled and then read once. N is a power of two.
type KDF struct{ N, R, P int }

// DefaultKDF is the cost for new keys: 32 MiB for each of 4 lanes, about a quarter of a second of one core in all. OWASP's
// password storage guide asks for at least 3 lanes of that size.
var DefaultKDF = KDF{N: 1 << 15, R: 8, P: 4}

// Limits on what is read, since a key file comes from a storage that isn't trusted, and its cost is paid before
// anything of it can be verified. restic writes at most 60 MiB, rustic 128 MiB in one lane.
const (
	maxWork   = 1 << 30   // bytes filled by all lanes together: some seconds
	maxMemory = 256 << 20 // bytes of one lane, or of the state of all lanes
)

// valid says why keys can't be derived with this cost; nil if they can.
func (c KDF) valid() error {
	if c.N < 2 || bits.OnesCount(uint(c.N)) != 1 || c.R < 1 || c.P < 1 {
		return fmt.Errorf("scrypt N=%d r=%d p=%d: want N a power of two above 1, r and p at least 1", c.N, c.R, c.P)
	}
	// Each factor is held against the limit first, so that no product overflows.
	const most = maxWork / 128
	n, r, p := int64(c.N), int64(c.R), int64(c.P)
	if max(n, r, p) > most || max(n, p)*r > maxMemory/128 || n*r*p > most {
		return fmt.Errorf("scrypt N=%d r=%d p=%d: needs more than %d MiB of memory or %d MiB of work",
			c.N, c.R, c.P, maxMemory>>20, maxWork>>20)
	}
	return nil
}

// ValidForWriting says why a new key must not be protected by this cost; nil if it may. The floor is N=32768, r=8, p=1.
func (c KDF) ValidForWriting() error {
	if err := c.valid(); err != nil {
		return err
	}
	if c.N < 1<<15 || c.R < 8 {
		return fmt.Errorf("scrypt N=%d r=%d p=%d: too weak for a new key, want at least N=32768 r=8 p=1", c.N, c.R, c.P)
	}
	return nil
}

// Derive returns the key for a password, whose bytes are taken as they are, and a salt of SaltSize bytes. It takes time
// and memory by design: the lanes run at once on as many cores as there are, within 128 MiB, or one lane if that alone
// is larger.
func (c KDF) Derive(password string, salt []byte) (*Key, error) {
	if err := c.valid(); err != nil {
		return nil, err
	}
	if len(salt) != SaltSize {
		return nil, fmt.Errorf("scrypt salt of %d bytes: want %d", len(salt), SaltSize)
	}
	secret, err := scrypt(password, salt, c, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return makeKey(secret[:32], secret[32:48], secret[48:])
}

// scrypt is RFC 7914: PBKDF2 spreads the password over the lanes, each lane is mixed in memory, and PBKDF2 gathers
// them. golang.org/x/crypto/scrypt does the same, one lane after the other; opening a repository waits for this.
func scrypt(password string, salt []byte, cost KDF, length int) ([]byte, error) {
	state, err := pbkdf2.Key(sha256.New, password, salt, 1, 128*cost.R*cost.P)
	if err != nil {
		return nil, err
	}
	mixLanes(state, cost)
	return pbkdf2.Key(sha256.New, password, state, 1, length)
}
