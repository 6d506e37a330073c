package serve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/internal/db"
)

// The tests of servers take less than real servers do, who are seen here to take what is right: what is stored of a password, and the key
// file of a repository, say what a guess costs.
func TestAGuessAtAPasswordIsDearWhereAServerMadeWhatIsStored(t *testing.T) {
	in := newInstallation(t, "")
	p := in.start(t)
	folder := filepath.Join(t.TempDir(), "repository")
	p.ask(t, "POST", "/claim", map[string]string{"code": p.claim, "name": "Ada", "email": "ada@example.org", "password": password}, nil)
	project := p.id(t, "/projects", map[string]any{"name": "Home"})
	storage := p.id(t, "/storages", map[string]any{"project": project, "name": "Disk", "location": folder})
	p.id(t, "/repositories", map[string]any{"project": project, "name": "Main", "storage": storage})
	p.end(t, syscall.SIGTERM)

	d, err := db.Open(t.Context(), filepath.Join(in.data, "backstay.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var factors []backstay.Factor
	err = d.Read(t.Context(), func(tx *db.Tx) (err error) {
		factors, err = db.All[backstay.Factor](t.Context(), tx)
		return err
	})
	if err != nil || len(factors) != 1 || !strings.HasPrefix(factors[0].Value, "$argon2id$v=19$m=65536,t=3,p=2$") {
		t.Errorf("of the password %+v is stored, %v, want argon2id with 64 MiB, 3 passes and 2 lanes", factors, err)
	}

	keys, err := filepath.Glob(filepath.Join(folder, "keys", "*"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("key files %q, %v, want one", keys, err)
	}
	text, err := os.ReadFile(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	var key struct {
		KDF     string
		N, R, P int
	}
	if err := json.Unmarshal(text, &key); err != nil || key.KDF != "scrypt" || (crypto.KDF{N: key.N, R: key.R, P: key.P}) != (crypto.KDF{N: 1 << 15, R: 8, P: 4}) {
		t.Errorf("the key file says %+v, %v, want scrypt with 4 lanes of 32 MiB", key, err)
	}
}
