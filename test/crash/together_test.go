//go:build linux

package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

// actor is somebody with a tree of his own, who backs it up with one of the programs.
type actor struct {
	*room
	name string
	ours bool
	root string
	rng  *rand.Rand
	kept []state
}

func TestTwoOfEachProgramAtOnceLoseNothing(t *testing.T) {
	l := newLab(t)
	rounds := 5
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		rounds = 200
	}
	r := l.enter(t, operation{})
	removeRepository(t, r)
	newRepository(t, r.at("repository"), 2)
	actors := make([]*actor, 4)
	for i := range actors {
		a := &actor{room: r, name: fmt.Sprint("h", i), ours: i%2 == 0, root: filepath.Join(t.TempDir(), "tree"), rng: rand.New(rand.NewPCG(uint64(i), 10))}
		spec := treegen.Spec{Seed: 1, Dirs: 5, Files: 30} // much is common to all
		if err := treegen.Generate(a.root, spec); err != nil {
			t.Fatal(err)
		}
		actors[i] = a
	}
	for range rounds {
		var all sync.WaitGroup
		for _, a := range actors {
			all.Go(func() {
				if err := a.day(t); err != nil {
					t.Errorf("%s: %v", a.name, err)
				}
			})
		}
		all.Wait()
		r.wantAll(t, actors)
		if t.Failed() {
			break
		}
	}
	t.Logf("R10: %d rounds of 4 actors, seeds 0 to 3, lost: %t", rounds, t.Failed())
}

// wantAll looks that all that was kept is there and whole, for both programs.
func (r *room) wantAll(t *testing.T, actors []*actor) {
	t.Helper()
	if err := r.theirs().Check(t.Context()); err != nil {
		t.Error(err)
	}
	opened := open(t, r.at("repository"), r.locks())
	if report, found, err := check(t.Context(), opened); err != nil || len(found) > 0 {
		t.Errorf("check finds %+v: %+v, %v", report, found, err)
	}
	for _, a := range actors {
		if err := restores(t.Context(), opened, a.root, a.kept); err != nil {
			t.Error(err)
		}
	}
}

// day is what an actor does in a round.
func (a *actor) day(t *testing.T) error {
	if err := treegen.Mutate(a.root, a.rng.Uint64()); err != nil {
		return err
	}
	s := state{copy: filepath.Join(t.TempDir(), "state")}
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", a.root, s.copy).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	out, err := a.do(t.Context(), "backup", "--json", "--host", a.name, a.root)
	if err != nil {
		return err
	}
	if s.id = snapshotID(out); s.id == "" {
		return fmt.Errorf("backup names no snapshot: %s", out)
	}
	a.kept = append(a.kept, s)
	if len(a.kept) > 2 {
		if _, err := a.do(t.Context(), "forget", a.kept[0].id); err != nil {
			return err
		}
		a.kept = a.kept[1:]
	}
	if a.rng.IntN(2) == 0 {
		_, err = a.do(t.Context(), "prune", "--max-unused", "0")
	}
	return err
}

func snapshotID(out string) string {
	_, after, _ := strings.Cut(out, `"snapshot_id":"`)
	id, _, _ := strings.Cut(after, `"`)
	return id
}

// do runs a command of the actor's program until no lock is in its way.
func (a *actor) do(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		out, locked, err := a.try(ctx, args)
		if err == nil || !locked {
			return out, err
		}
		time.Sleep(time.Duration(50+a.rng.IntN(400)) * time.Millisecond)
	}
}

func (a *actor) try(ctx context.Context, args []string) (out string, locked bool, err error) {
	if a.ours {
		cmd, said := a.command(ctx, args...)
		err := cmd.Run()
		if err != nil {
			err = fmt.Errorf("backstay %s: %w: %s", strings.Join(args, " "), err, said)
		}
		return said.String(), cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 11, err
	}
	p, err := a.theirs().Run(ctx, args...)
	var failed *resticbin.Error
	locked = errors.As(err, &failed) && (failed.Exit == 11 || strings.Contains(failed.Stderr, "already locked"))
	return string(p), locked, err
}

// Restic's unlock asks whether the process of a lock is alive by a signal that ends most programs.
func TestResticUnlockDoesNotEndARunningBackup(t *testing.T) {
	r := newLab(t).enter(t, operation{})
	cmd, said := r.command(t.Context(), "backup", "--stdin", "--stdin-filename", "stream")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	opened := open(t, r.at("repository"), r.locks())
	for deadline := time.Now().Add(10 * time.Second); len(locks(t, opened)) == 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := r.theirs().Run(t.Context(), "unlock"); err != nil {
		t.Fatal(err)
	}
	if len(locks(t, opened)) != 1 {
		t.Error("restic unlock removed the lock of a living process")
	}
	_, err = io.WriteString(in, "content")
	if err := errors.Join(err, in.Close(), cmd.Wait()); err != nil {
		t.Errorf("backup: %v: %s", err, said)
	}
}

func locks(t *testing.T, r *repo.Repo) (all []repo.LockInfo) {
	t.Helper()
	for lock, err := range r.ListLocks(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lock)
	}
	return all
}
