//go:build linux

package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/resticbin"
)

// vector is the bytes that everything in the vector repository is drawn from.
func vector(s string) []byte {
	sum := sha256.Sum256([]byte("backstay-vector-1" + s))
	return sum[:]
}

// Every byte of this repository is known beforehand, so a change of how keys and configs are written can't go unseen.
func TestTheRepositoryOfTheVectorIsOpenedByBothSides(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		const password = "backstay-test-vector"
		dir := filepath.Join(t.TempDir(), "repository")
		b := local.New(local.OS{}, dir, local.Options{})
		for name, p := range vectorFiles(t, password) {
			if err := b.Save(t.Context(), name, storage.Bytes(p)); err != nil {
				t.Fatal(err)
			}
		}
		const id = "c3f46b66"
		theirs, err := resticbin.Repo{Bin: bin, Dir: dir, Password: password}.Run(t.Context(), "cat", "config")
		if err != nil || !strings.Contains(string(theirs), id) || !strings.Contains(string(theirs), "3da3358b4dc173") {
			t.Errorf("restic reads its config as %s, %v", theirs, err)
		}
		ours, err := repo.Open(t.Context(), b, password, repo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if c := ours.Config(); c.ID.Short() != id || c.Polynomial != 0x3da3358b4dc173 || c.Version != 2 {
			t.Errorf("we read its config as %+v", c)
		}
	})
}

// vectorFiles returns the files of the repository by their names.
func vectorFiles(t *testing.T, password string) map[string][]byte {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	masterJSON := fmt.Sprintf(`{"mac":{"k":%q,"r":%q},"encrypt":%q}`, b64(vector("K")[:16]), b64(vector("R")[:16]), b64(vector("E")))
	var master crypto.Key
	if err := json.Unmarshal([]byte(masterJSON), &master); err != nil {
		t.Fatal(err)
	}
	salt := slices.Concat(vector("s1"), vector("s2"))
	user, err := crypto.KDF{N: 16384, R: 8, P: 1}.Derive(password, salt)
	if err != nil {
		t.Fatal(err)
	}
	data, err := user.Seal(nil, []byte(masterJSON), bytes.NewReader(vector("n")))
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Appendf(nil, `{"created":"2026-01-01T00:00:00Z","username":"u","hostname":"h","kdf":"scrypt","N":16384,"r":8,"p":1,"salt":%q,"data":%q}`,
		b64(salt), b64(data))
	plain := fmt.Appendf(nil, `{"version":2,"id":%q,"chunker_polynomial":"3da3358b4dc173"}`, hex.EncodeToString(vector("id")))
	config, err := master.Seal(nil, plain, bytes.NewReader(vector("c")))
	if err != nil {
		t.Fatal(err)
	}
	if got := crypto.Hash(config).String(); got != "df0ddca59103cd6240b1c02a71d2daff6fbdd43dcef274c42d050640adc3e929" {
		t.Errorf("the config hashes to %s", got)
	}
	if got := crypto.Hash(key).String(); got != "5cc7e8ac465fbe0d29534d6b2c3b02ba9f4d6cb867e51978e4bcff7ee36d1de7" {
		t.Errorf("the key hashes to %s", got)
	}
	return map[string][]byte{"config": config, repo.Keys.Name(crypto.Hash(key)): key}
}
