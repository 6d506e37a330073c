package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Key seals and opens boxes. It comes from NewKey, KDF.Derive or its JSON form; the zero Key is invalid. A Key is
// never changed once made, and its methods may be called from any goroutine. Printed or logged, it shows nothing.
type Key struct {
	encrypt [32]byte
	k       [16]byte
	r       [16]byte // clamped or not: Poly1305 clamps it

	stream cipher.Block // AES-256 under encrypt
	tag    cipher.Block // AES-128 under k
}

// keyBytes is the length of the three secrets together, in the order in which they are drawn and derived.
const keyBytes = 32 + 16 + 16

var errInvalidKey = errors.New("invalid key: its encryption part, k or r is all zero")

// NewKey draws a key from rand, which must be cryptographically random.
func NewKey(rand io.Reader) (*Key, error) {
	var secret [keyBytes]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return nil, fmt.Errorf("read random key: %w", err)
	}
	return makeKey(secret[:32], secret[32:48], secret[48:])
}

func makeKey(encrypt, k, r []byte) (*Key, error) {
	key := new(Key)
	if len(encrypt) != len(key.encrypt) || len(k) != len(key.k) || len(r) != len(key.r) {
		return nil, fmt.Errorf("key of %d, %d and %d bytes: want %d, %d and %d",
			len(encrypt), len(k), len(r), len(key.encrypt), len(key.k), len(key.r))
	}
	if allZero(encrypt) || allZero(k) || allZero(r) {
		return nil, errInvalidKey
	}
	copy(key.encrypt[:], encrypt)
	copy(key.k[:], k)
	copy(key.r[:], r)
	var err error
	if key.stream, err = aes.NewCipher(encrypt); err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	if key.tag, err = aes.NewCipher(k); err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return key, nil
}

// Valid reports whether the key can be used: neither its encryption part nor k nor r is all zero. Only the zero Key is
// not, since nothing here makes an invalid one.
func (k *Key) Valid() bool { return k.stream != nil }

// keyJSON is the form in which the master key lies in its box.
type keyJSON struct {
	MAC struct {
		K []byte `json:"k"`
		R []byte `json:"r"`
	} `json:"mac"`
	Encrypt []byte `json:"encrypt"`
}

// MarshalJSON returns the secrets in the clear: the result is to be sealed. The form is
// {"mac":{"k":base64,"r":base64},"encrypt":base64}.
func (k *Key) MarshalJSON() ([]byte, error) {
	if !k.Valid() {
		return nil, errInvalidKey
	}
	var form keyJSON
	form.MAC.K, form.MAC.R, form.Encrypt = k.k[:], k.r[:], k.encrypt[:]
	return json.Marshal(form)
}

// UnmarshalJSON reads what MarshalJSON wrote. A key that is not Valid is refused, and leaves k as it was.
func (k *Key) UnmarshalJSON(text []byte) error {
	var form keyJSON
	if err := json.Unmarshal(text, &form); err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	key, err := makeKey(form.Encrypt, form.MAC.K, form.MAC.R)
	if err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	*k = *key
	return nil
}

const hidden = "key(hidden)"

// String returns a text that says nothing of the secrets.
func (k Key) String() string { return hidden }

// Format writes what String returns, for every verb: without it %d and %#v would show the secrets.
func (k Key) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, hidden) }

// LogValue returns what String returns.
func (k Key) LogValue() slog.Value { return slog.StringValue(hidden) }
