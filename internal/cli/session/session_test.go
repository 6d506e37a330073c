package session

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay/internal/client"
)

func TestASessionIsKeptForItsOwnerOnly(t *testing.T) {
	name := filepath.Join(t.TempDir(), "backstay", "session.json")
	if _, found, err := Load(name); found || err != nil {
		t.Fatalf("Load of nothing = %v, %v", found, err)
	}
	want := Session{Server: "https://x", Email: "a@example.org", Fingerprint: "AA", Cookie: client.Cookie{Name: "n", Value: "v"}}
	for range 2 { // the second time in its place
		if err := want.Save(name); err != nil {
			t.Fatal(err)
		}
		got, found, err := Load(name)
		if got != want || !found || err != nil {
			t.Errorf("Load = %+v, %v, %v, want %+v", got, found, err, want)
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("its mode is %v, %v, want 0600", info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(name)); len(entries) != 1 || err != nil {
		t.Errorf("beside it there are %v, %v", entries, err)
	}
	for range 2 {
		if err := Remove(name); err != nil {
			t.Errorf("Remove = %v", err)
		}
	}
	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(name); err == nil {
		t.Error("Load of a damaged file = nil error")
	}
}
