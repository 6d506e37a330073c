package archiver_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	folders "github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage/mem"
)

// A folder is backed up into a repository in memory, and its names are read back from the snapshot.
func Example() {
	folder, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	if err := os.WriteFile(filepath.Join(folder, "letter.txt"), []byte("dear reader"), 0o600); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	r, err := repo.Init(ctx, mem.New(), "password", repo.Options{}, repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}})
	if err != nil {
		log.Fatal(err)
	}
	locked, unlock, err := r.Lock(ctx, repo.Shared, repo.LockOptions{})
	if err != nil {
		log.Fatal(err)
	}
	view, err := folders.New([]string{folder}, folders.Options{}).Open(ctx)
	if err != nil {
		log.Fatal(err)
	}
	results, err := archiver.Archive(locked, []archiver.Target{{Repo: r}}, view, archiver.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := view.Close(); err != nil { // then it would be no backup
		log.Fatal(err)
	}
	s := &snapshot.Snapshot{Time: time.Now(), Tree: results[0].Tree, Paths: []string{folder}}
	if err := snapshot.Save(locked, r, s); err != nil {
		log.Fatal(err)
	}
	if err := unlock(); err != nil {
		log.Fatal(err)
	}
	for e, err := range restorer.Entries(ctx, r, s.Tree, restorer.Options{Sub: folder}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Name, e.Size)
	}
	// Output: letter.txt 11
}
