package repo

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// initialized returns a new repository in memory, of the password "p".
func initialized(t testing.TB, opt Options, init InitOptions) (*Repo, *mem.Backend) {
	t.Helper()
	b := mem.New()
	r := openFast(t, b, opt)
	var err error
	if r.config, err = r.newConfig(init); err != nil {
		t.Fatal(err)
	}
	if r.key, err = crypto.NewKey(r.opt.Rand); err != nil {
		t.Fatal(err)
	}
	r.useKey(weakKey(t, r, "p", "u"))
	plain, err := json.Marshal(r.config)
	if err != nil {
		t.Fatal(err)
	}
	_, sealed, err := r.sealFile(Config, writes(plain))
	if err != nil {
		t.Fatal(err)
	}
	replace(t, b, "config", sealed)
	return r, b
}

// weakKey adds a key that costs next to nothing to open.
func weakKey(t testing.TB, r *Repo, password, user string) crypto.ID {
	t.Helper()
	kdf := crypto.KDF{N: 16, R: 8, P: 1}
	f := keyFile{Username: user, KDF: "scrypt", N: kdf.N, R: kdf.R, P: kdf.P, Salt: make([]byte, crypto.SaltSize)}
	if err := r.sealKey(&f, password, kdf); err != nil {
		t.Fatal(err)
	}
	p, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	layKey(t, r.backend, p)
	return crypto.Hash(p)
}

const vectorPassword = "backstay-test-vector"

// vectorHash is the source of all bytes of the vector that would be random.
func vectorHash(s string) []byte {
	h := crypto.Hash([]byte("backstay-vector-1" + s))
	return h[:]
}

// vectorFiles returns the key file and the config of a repository whose every byte is known. Both were opened by restic.
func vectorFiles(t testing.TB) (key, config []byte) {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	master := fmt.Sprintf(`{"mac":{"k":"%s","r":"%s"},"encrypt":"%s"}`, b64(vectorHash("K")[:16]), b64(vectorHash("R")[:16]), b64(vectorHash("E")))
	salt := append(vectorHash("s1"), vectorHash("s2")...)
	derived, err := crypto.KDF{N: 16384, R: 8, P: 1}.Derive(vectorPassword, salt)
	if err != nil {
		t.Fatal(err)
	}
	data, err := derived.Seal(nil, []byte(master), bytes.NewReader(vectorHash("n")))
	if err != nil {
		t.Fatal(err)
	}
	key = fmt.Appendf(nil, `{"created":"2026-01-01T00:00:00Z","username":"u","hostname":"h","kdf":"scrypt","N":16384,"r":8,"p":1,"salt":"%s","data":"%s"}`,
		b64(salt), b64(data))
	var opened crypto.Key
	if err := json.Unmarshal([]byte(master), &opened); err != nil {
		t.Fatal(err)
	}
	plain := fmt.Sprintf(`{"version":2,"id":"%x","chunker_polynomial":"3da3358b4dc173"}`, vectorHash("id"))
	config, err = opened.Seal(nil, []byte(plain), bytes.NewReader(vectorHash("c")))
	if err != nil {
		t.Fatal(err)
	}
	return key, config
}

func TestTheRepositoryOfTheVectorsOpens(t *testing.T) {
	key, config := vectorFiles(t)
	keyID := crypto.Hash(key)
	if want := "5cc7e8ac465fbe0d29534d6b2c3b02ba9f4d6cb867e51978e4bcff7ee36d1de7"; keyID.String() != want {
		t.Fatalf("the key file is named %s, want %s", keyID, want)
	}
	if want := "df0ddca59103cd6240b1c02a71d2daff6fbdd43dcef274c42d050640adc3e929"; len(config) != 155 || crypto.Hash(config).String() != want {
		t.Fatalf("the config is %d bytes of hash %s, want 155 of %s", len(config), crypto.Hash(config), want)
	}
	b := mem.New()
	replace(t, b, Keys.Name(keyID), key)
	replace(t, b, "config", config)
	r, err := Open(t.Context(), b, vectorPassword, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := RepoConfig{Version: 2, Polynomial: 0x3da3358b4dc173}
	copy(want.ID[:], vectorHash("id"))
	if r.Config() != want || r.CurrentKey() != keyID {
		t.Errorf("the config is %v opened by key %s, want %v and %s", r.Config(), r.CurrentKey(), want, keyID)
	}
	_, sealed, err := r.sealFile(Config, writes(fmt.Appendf(nil, `{"version":2,"id":"%s","chunker_polynomial":"3da3358b4dc173"}`, hex.EncodeToString(vectorHash("id")))))
	if err != nil || len(sealed) != 155 {
		t.Errorf("the config sealed anew is %d bytes, %v, want 155: it is not compressed", len(sealed), err)
	}
}

func TestInitWritesTheKeyThenTheConfig(t *testing.T) {
	b := storagetest.NewFaulty(mem.New(), storagetest.Faults{})
	r, err := Init(t.Context(), b, "p", Options{}, InitOptions{KDF: cheapKDF, Polynomial: 0x3da3358b4dc173})
	if err != nil {
		t.Fatal(err)
	}
	var saved []string
	for _, c := range b.Trace() {
		if c.Op == storagetest.Save {
			saved = append(saved, c.Name)
		}
	}
	if len(saved) != 2 || saved[0] != Keys.Name(r.CurrentKey()) || saved[1] != "config" {
		t.Errorf("saved was %v, want the key, then the config", saved)
	}
	again, err := Open(t.Context(), b, "p", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if again.Config() != r.Config() || again.CurrentKey() != r.CurrentKey() || r.Config().Version != 2 || r.Config().Polynomial != 0x3da3358b4dc173 {
		t.Errorf("opened again it is %v, want %v", again.Config(), r.Config())
	}
}

func TestInitInAFolderThatIsYetToBeMade(t *testing.T) {
	b := local.New(local.OS{}, t.TempDir()+"/new/folder", local.Options{})
	if _, err := Init(t.Context(), b, "p", Options{}, InitOptions{KDF: cheapKDF}); err != nil {
		t.Errorf("Init: %v", err)
	}
}

func TestInitRefusesTheRemainsOfARepository(t *testing.T) {
	for _, name := range []string{"config", Keys.Name([32]byte{1}), Snapshots.Name([32]byte{2})} {
		b := mem.New()
		replace(t, b, name, []byte("x"))
		if _, err := Init(t.Context(), b, "p", Options{}, InitOptions{KDF: cheapKDF}); !errors.Is(err, ErrExists) {
			t.Errorf("Init beside %s = %v, want ErrExists", name, err)
		}
		if n := len(names(t, b, Keys)) + len(names(t, b, Snapshots)); n > 1 {
			t.Errorf("Init beside %s wrote a file all the same", name)
		}
	}
}

func TestInitGoesOnFromTheKeyThatAKilledOneLeft(t *testing.T) {
	b := mem.New()
	killed, err := Init(t.Context(), b, "p", Options{}, InitOptions{KDF: cheapKDF})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(t.Context(), b, "other", Options{}, InitOptions{KDF: cheapKDF}); !errors.Is(err, ErrExists) {
		t.Errorf("Init with another password = %v, want ErrExists", err)
	}
	for _, kind := range []FileType{Index, Packs} {
		with := b.Clone()
		replace(t, with, kind.Name([32]byte{3}), []byte("x"))
		if _, err := Init(t.Context(), with, "p", Options{}, InitOptions{KDF: cheapKDF}); !errors.Is(err, ErrExists) {
			t.Errorf("Init beside a file in %s = %v, want ErrExists", kind, err)
		}
	}
	r, err := Init(t.Context(), b, "p", Options{}, InitOptions{KDF: cheapKDF})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Open(t.Context(), b, "p", Options{}); err != nil || again.Config() != r.Config() || again.CurrentKey() != killed.CurrentKey() {
		t.Errorf("opened = %v, want it made with the key that was left", err)
	}
	if n := len(names(t, b, Keys)); n != 1 {
		t.Errorf("it has %d keys, want 1", n)
	}
}

func TestInitRefusesWhatItCantSee(t *testing.T) {
	for n := 1; n <= 3; n++ { // the config, the keys, the snapshots
		b := storagetest.NewFaulty(mem.New(), storagetest.Faults{At: []storagetest.At{{N: n, Fault: storagetest.Refuse}}})
		if _, err := Init(t.Context(), b, "p", Options{}, InitOptions{KDF: cheapKDF}); !errors.Is(err, storagetest.ErrInjected) {
			t.Errorf("Init with call %d refused = %v, want that error", n, err)
		}
		for _, c := range b.Trace() {
			if c.Op == storagetest.Save {
				t.Errorf("Init with call %d refused does %v", n, c)
			}
		}
	}
}

func TestInitRefusesBadOptions(t *testing.T) {
	for name, c := range map[string]struct {
		opt      Options
		init     InitOptions
		password string
	}{
		"a version beyond 2":      {init: InitOptions{Version: 3}, password: "p"},
		"a reducible polynomial":  {init: InitOptions{Polynomial: 1 << 53}, password: "p"},
		"a weak key":              {init: InitOptions{KDF: crypto.KDF{N: 1 << 14, R: 8, P: 1}}, password: "p"},
		"no password":             {password: ""},
		"packs of 1 MiB":          {opt: Options{PackSize: 1 << 20}, password: "p"},
		"packs of 1 GiB":          {opt: Options{PackSize: 1 << 30}, password: "p"},
		"less than no connection": {opt: Options{Connections: -1}, password: "p"},
	} {
		b := mem.New()
		if c.init.KDF == (crypto.KDF{}) {
			c.init.KDF = cheapKDF
		}
		if _, err := Init(t.Context(), b, c.password, c.opt, c.init); err == nil || errors.Is(err, ErrExists) {
			t.Errorf("Init with %s = %v, want an error", name, err)
		}
		if found := names(t, b, Keys); found != nil {
			t.Errorf("Init with %s wrote %v", name, found)
		}
	}
}

func TestWhereNoRepositoryIsNoneIsOpened(t *testing.T) {
	if _, err := Open(t.Context(), mem.New(), "p", Options{}); !errors.Is(err, ErrNoRepository) {
		t.Errorf("Open of nothing = %v, want ErrNoRepository", err)
	}
	_, b := initialized(t, Options{}, InitOptions{})
	down := storagetest.NewFaulty(b, storagetest.Faults{At: []storagetest.At{{N: 1, Fault: storagetest.Refuse}}})
	if _, err := Open(t.Context(), down, "p", Options{}); !errors.Is(err, storagetest.ErrInjected) || errors.Is(err, ErrNoRepository) {
		t.Errorf("Open of a storage that is down = %v, want its error", err)
	}
}

func TestAConfigIsRefusedForWhatIsWrongWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		want   error
	}{
		"a later version":        {`{"version":3,"id":"` + strings.Repeat("0", 64) + `","chunker_polynomial":"3da3358b4dc173"}`, ErrUnsupported},
		"an index":               {`{"packs":[]}`, ErrUnsupported},
		"a list":                 {`[]`, ErrDamaged},
		"an id that is none":     {`{"version":2,"id":"0","chunker_polynomial":"3da3358b4dc173"}`, ErrDamaged},
		"a reducible polynomial": {`{"version":2,"id":"` + strings.Repeat("0", 64) + `","chunker_polynomial":"3da3358b4dc172"}`, nil},
	} {
		r, b := initialized(t, Options{}, InitOptions{})
		_, sealed, err := r.sealFile(Config, writes([]byte(c.config)))
		if err != nil {
			t.Fatal(err)
		}
		replace(t, b, "config", sealed)
		if _, err := Open(t.Context(), b, "p", Options{}); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("Open with %s for config = %v, want %v", name, err, c.want)
		}
	}
}

func TestADamagedConfigIsNoWrongPassword(t *testing.T) {
	_, b := initialized(t, Options{}, InitOptions{})
	flip(t, b, "config", 50)
	if _, err := Open(t.Context(), b, "p", Options{}); !errors.Is(err, ErrDamaged) || errors.Is(err, ErrWrongPassword) {
		t.Errorf("Open = %v, want ErrDamaged", err)
	}
}

func TestEachReadOfOpeningMayComeDamagedOnce(t *testing.T) {
	_, inner := initialized(t, Options{}, InitOptions{})
	for n := 1; n <= 2; n++ { // the key, the config
		b := storagetest.NewFaulty(inner, storagetest.Faults{At: []storagetest.At{{N: n, Op: storagetest.Load, Fault: storagetest.FlipBody}}})
		silent := func(e progress.Event) { t.Errorf("read %d damaged on its way is told as %v", n, e) }
		if _, err := Open(t.Context(), b, "p", Options{Progress: silent}); err != nil {
			t.Errorf("Open with read %d damaged on its way = %v", n, err)
		}
	}
}
