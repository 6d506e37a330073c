package crypto

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// vectorHash is the deterministic source of the repository vector's secrets.
func vectorHash(s string) []byte {
	sum := sha256.Sum256([]byte("backstay-vector-1" + s))
	return sum[:]
}

func TestTheRepositoryMadeFromNothingEqualsTheVector(t *testing.T) {
	master, err := makeKey(vectorHash("E"), vectorHash("K")[:16], vectorHash("R")[:16])
	if err != nil {
		t.Fatal(err)
	}
	salt := slices.Concat(vectorHash("s1"), vectorHash("s2"))
	user, err := KDF{N: 16384, R: 8, P: 1}.Derive("backstay-test-vector", salt)
	if err != nil {
		t.Fatal(err)
	}
	masterJSON, err := json.Marshal(master)
	if err != nil {
		t.Fatal(err)
	}
	data, err := user.Seal(nil, masterJSON, bytes.NewReader(vectorHash("n")))
	if err != nil {
		t.Fatal(err)
	}
	keyFile := fmt.Sprintf(`{"created":"2026-01-01T00:00:00Z","username":"u","hostname":"h","kdf":"scrypt",`+
		`"N":16384,"r":8,"p":1,"salt":%q,"data":%q}`,
		base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(data))
	const wantKey = "5cc7e8ac465fbe0d29534d6b2c3b02ba9f4d6cb867e51978e4bcff7ee36d1de7"
	if got := Hash([]byte(keyFile)).String(); got != wantKey {
		t.Errorf("name of the key file = %s, want %s", got, wantKey)
	}

	config := fmt.Sprintf(`{"version":2,"id":%q,"chunker_polynomial":"3da3358b4dc173"}`, hex.EncodeToString(vectorHash("id")))
	box, err := master.Seal(nil, []byte(config), bytes.NewReader(vectorHash("c")))
	if err != nil {
		t.Fatal(err)
	}
	const wantConfig = "df0ddca59103cd6240b1c02a71d2daff6fbdd43dcef274c42d050640adc3e929"
	if got := Hash(box).String(); got != wantConfig || len(box) != 155 {
		t.Errorf("config file = %d bytes with hash %s, want 155 with %s", len(box), got, wantConfig)
	}
}

func TestAKeySurvivesItsJSON(t *testing.T) {
	key := vectorKey(t)
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"mac":{"k":"QEFCQ0RFRkdISUpLTE1OTw==","r":"gIGCg4SFhoeIiYqLjI2Ojw=="},` +
		`"encrypt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}`
	if string(text) != want {
		t.Errorf("Marshal = %s, want %s", text, want)
	}
	var again Key
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	box, err := key.Seal(nil, []byte("x"), strings.NewReader("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(nil, box); err != nil || string(plain) != "x" {
		t.Errorf("Open with the key read back = %q, %v", plain, err)
	}
}

func TestAKeyWithClampedROpensTheSameBoxes(t *testing.T) {
	key := vectorKey(t)
	clamped := bytes.Clone(key.r[:])
	for _, i := range []int{3, 7, 11, 15} {
		clamped[i] &= 0x0f
	}
	for _, i := range []int{4, 8, 12} {
		clamped[i] &= 0xfc
	}
	old, err := makeKey(key.encrypt[:], key.k[:], clamped)
	if err != nil {
		t.Fatal(err)
	}
	box, err := key.Seal(nil, []byte("x"), strings.NewReader("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := old.Open(nil, box); err != nil || string(plain) != "x" {
		t.Errorf("Open with r clamped = %q, %v", plain, err)
	}
}

func TestBrokenKeysAreRefused(t *testing.T) {
	b64 := func(n int, b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, n)) }
	form := func(k, r, encrypt string) string {
		return fmt.Sprintf(`{"mac":{"k":%q,"r":%q},"encrypt":%q}`, k, r, encrypt)
	}
	for name, text := range map[string]string{
		"zero k":        form(b64(16, 0), b64(16, 1), b64(32, 1)),
		"zero r":        form(b64(16, 1), b64(16, 0), b64(32, 1)),
		"zero encrypt":  form(b64(16, 1), b64(16, 1), b64(32, 0)),
		"short k":       form(b64(15, 1), b64(16, 1), b64(32, 1)),
		"long r":        form(b64(16, 1), b64(17, 1), b64(32, 1)),
		"short encrypt": form(b64(16, 1), b64(16, 1), b64(16, 1)),
		"no base64":     form("?", b64(16, 1), b64(32, 1)),
		"no parts":      `{}`,
		"null":          `null`,
		"not JSON":      `{"mac":`,
	} {
		var key Key
		if err := key.UnmarshalJSON([]byte(text)); err == nil || key.Valid() {
			t.Errorf("%s: UnmarshalJSON = %v and Valid = %v, want an error and an invalid key", name, err, key.Valid())
		}
	}
}

func TestTheZeroKeyDoesNothing(t *testing.T) {
	var key Key
	if box, err := key.Seal(nil, []byte("x"), strings.NewReader("0123456789abcdef")); err == nil {
		t.Errorf("Seal = %x, want an error", box)
	}
	if plain, err := key.Open(nil, make([]byte, 100)); err == nil {
		t.Errorf("Open = %x, want an error", plain)
	}
	if text, err := json.Marshal(&key); err == nil {
		t.Errorf("Marshal = %s, want an error", text)
	}
}

func TestNewKeyNeedsRandomness(t *testing.T) {
	if _, err := NewKey(strings.NewReader("too few bytes")); err == nil {
		t.Error("NewKey from 13 bytes = nil error")
	}
	if _, err := NewKey(bytes.NewReader(make([]byte, keyBytes))); err == nil {
		t.Error("NewKey from zeros = nil error")
	}
}

func TestAKeyIsNeverPrinted(t *testing.T) {
	key := vectorKey(t)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "pointer", key, "value", *key)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "pointer", key, "value", *key)
	text := log.String() + fmt.Sprint(key, *key) + key.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
		text += fmt.Sprintf(verb+" "+verb+" "+verb, key, *key, struct{ Key Key }{*key})
	}
	text = strings.ToLower(text)
	for _, secret := range []string{"404142", "64 65 66", "0x40", "0x41", "808182", "128 129", "qefc", "giGC", "aaec"} {
		if strings.Contains(text, strings.ToLower(secret)) {
			t.Errorf("a printed key shows %q in %s", secret, text)
		}
	}
	if !strings.Contains(text, hidden) {
		t.Errorf("a printed key shows nothing: %s", text)
	}
}

func FuzzKeyJSON(f *testing.F) {
	text, err := json.Marshal(vectorKey(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"mac":{"k":"","r":""},"encrypt":""}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var key, again Key
		if err := json.Unmarshal(text, &key); err != nil {
			if key.Valid() {
				t.Errorf("%q is refused and leaves a key", text)
			}
			return
		}
		written, err := json.Marshal(&key)
		if err == nil {
			err = json.Unmarshal(written, &again)
		}
		if err != nil || key.k != again.k || key.r != again.r || key.encrypt != again.encrypt {
			t.Errorf("%q is written as another key, %v", text, err)
		}
	})
}
