package restorer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage/mem"
)

// A tree is restored into a folder: first the target plans, then it does just what the plan says and reports each change.
func Example() {
	ctx := context.Background()
	r, root, err := letter(ctx)
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	to, contents := files.NewTarget(dir, files.TargetOptions{}), restorer.NewContents(r, 0)
	entries := restorer.Entries(ctx, r, root, restorer.Options{})
	var plan bytes.Buffer // a file, where there may be millions of changes
	if _, err := entry.WritePlan(&plan, to.Plan(ctx, entries, contents)); err != nil {
		log.Fatal(err)
	}
	report := func(c entry.Change) { fmt.Println(c.Action, c.Path) }
	if err := to.Apply(ctx, entry.ReadPlan(&plan), entries, contents, report); err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "letter.txt"))
	fmt.Printf("%s %v\n", text, err)
	// Output:
	// create letter.txt
	// dear reader <nil>
}

// letter makes a repository in memory and backs up one file, which comes from a stream. It returns the root of its tree.
func letter(ctx context.Context) (r *repo.Repo, root crypto.ID, err error) {
	r, err = repo.Init(ctx, mem.New(), "password", repo.Options{}, repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}})
	if err != nil {
		return nil, crypto.ID{}, err
	}
	ctx, unlock, err := r.Lock(ctx, repo.Shared, repo.LockOptions{})
	if err != nil {
		return nil, crypto.ID{}, err
	}
	stream := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("dear reader")), nil }
	view, err := files.NewReader("letter.txt", clock.System, stream).Open(ctx)
	if err != nil {
		return nil, crypto.ID{}, errors.Join(err, unlock())
	}
	results, err := archiver.Archive(ctx, []archiver.Target{{Repo: r}}, view, archiver.Options{})
	if err = errors.Join(err, view.Close(), unlock()); err != nil {
		return nil, crypto.ID{}, err
	}
	return r, results[0].Tree, nil
}
