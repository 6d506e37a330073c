package server

import (
	"os"
	"path/filepath"
	"testing"
)

// What a restore has left that was killed is no reason to refuse the next one, whichever way SQLite wrote at the moment.
func TestWhatAKilledRestoreLeavesIsNoServer(t *testing.T) {
	for name, fine := range map[string]bool{
		"secret.key": true, ".key-123": true, "backstay.db": true, "backstay.db-journal": true, "backstay.db-wal": true, "backstay.db-shm": true, "lost+found": true,
		"catalogue.db": false, "server.pem": false, "notes.txt": false,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := emptyFolder(dir); (err == nil) != fine {
			t.Errorf("a folder with %s = %v, want it taken: %t", name, err, fine)
		}
	}
}
