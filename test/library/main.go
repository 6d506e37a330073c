// Program library shows how another program uses Backstay's engine. It is a module of its own and imports only public
// packages: it backs up a folder into a repository, lists the snapshots, reads a file and restores everything.
//
//	library REPOSITORY FOLDER TARGET
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage/local"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: library REPOSITORY FOLDER TARGET")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Stdout, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, repository, folder, target string) error {
	storage := local.New(local.OS{}, repository, local.Options{})
	r, err := repo.Init(ctx, storage, "a password", repo.Options{}, repo.InitOptions{})
	if err != nil {
		return err
	}
	if err := backUp(ctx, r, folder); err != nil {
		return err
	}
	for s, err := range snapshot.List(ctx, r, snapshot.Filter{}) {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "snapshot of", s.Hostname)
		if err := printFiles(ctx, out, r, s); err != nil {
			return err
		}
		if err := restore(ctx, r, s, target); err != nil {
			return err
		}
	}
	return nil
}

// backUp makes a snapshot of a folder.
func backUp(ctx context.Context, r *repo.Repo, folder string) error {
	ctx, unlock, err := r.Lock(ctx, repo.Shared, repo.LockOptions{})
	if err != nil {
		return err
	}
	source := files.New([]string{folder}, files.Options{})
	view, err := source.Open(ctx)
	if err != nil {
		return errors.Join(err, unlock())
	}
	results, err := archiver.Archive(ctx, []archiver.Target{{Repo: r}}, view, archiver.Options{})
	if err = errors.Join(err, view.Close()); err == nil { // a view that does not close cleanly is no backup
		s := &snapshot.Snapshot{Time: time.Now(), Tree: results[0].Tree, Paths: source.Paths(), Hostname: "example"}
		err = snapshot.Save(ctx, r, s)
	}
	return errors.Join(err, unlock())
}

// printFiles writes the names and the contents of all files in a snapshot.
func printFiles(ctx context.Context, out io.Writer, r *repo.Repo, s *snapshot.Snapshot) error {
	for e, err := range restorer.Entries(ctx, r, s.Tree, restorer.Options{}) {
		if err != nil {
			return err
		}
		if e.Type != entry.File {
			continue
		}
		content, err := e.Content.Open(ctx)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(content)
		if err := errors.Join(err, content.Close()); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s", e.Name, text)
	}
	return nil
}

// restore plans, and then does what the plan says.
func restore(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot, dir string) error {
	to, contents := files.NewTarget(dir, files.TargetOptions{}), restorer.NewContents(r, 0)
	plan, err := os.CreateTemp("", "plan-*")
	if err != nil {
		return err
	}
	defer os.Remove(plan.Name())
	if _, err := entry.WritePlan(plan, to.Plan(ctx, restorer.Entries(ctx, r, s.Tree, restorer.Options{}), contents)); err != nil {
		return err
	}
	if _, err := plan.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var failed error
	report := func(c entry.Change) {
		if c.Action == entry.Failed {
			failed = errors.Join(failed, fmt.Errorf("%s: %s", c.Path, c.Reason))
		}
	}
	err = to.Apply(ctx, entry.ReadPlan(plan), restorer.Entries(ctx, r, s.Tree, restorer.Options{}), contents, report)
	return errors.Join(err, failed, plan.Close())
}
