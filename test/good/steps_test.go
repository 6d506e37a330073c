//go:build linux

package good

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/copier"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repairer"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/sim"
)

// step is one thing that may happen to a repository.
type step struct {
	name string
	run  func(*rig, context.Context) error
}

// ours are the steps that Backstay takes. The more often one is named, the likelier it is.
func ours() []step {
	backup := step{"backup", (*rig).backup}
	return []step{backup, backup, backup, backup,
		{"backup of an empty folder", (*rig).backupEmpty},
		{"backup broken off", (*rig).backupBroken},
		{"backups at the same time", (*rig).backupTwice},
		{"check during a backup", (*rig).checkBeside},
		{"forget", (*rig).forget},
		{"forget by a policy", (*rig).forgetByPolicy},
		{"prune", (*rig).prune},
		{"prune", (*rig).prune},
		{"prune broken off", (*rig).pruneBroken},
		{"copy", (*rig).copy},
		{"repair index", (*rig).repairIndex},
		{"tag", (*rig).tag},
		{"key", (*rig).key},
		{"migrate", (*rig).migrate},
	}
}

// writer draws how a host is backed up, and returns the run. Several may run at once.
func (g *rig) writer(ctx context.Context, b storage.Backend, h *host) (func(ctx context.Context) (crypto.ID, error), error) {
	r, err := g.open(ctx, b)
	if err != nil {
		return nil, err
	}
	now := g.clock.Now()
	opt := runner.BackupOptions{Start: now, Type: pick(g.rng, "", snapshot.Full, snapshot.Incremental, snapshot.Differential),
		Template: snapshot.Snapshot{Time: now, Hostname: h.name, Paths: h.paths(), Tags: pick(g.rng, nil, []string{"daily"}, []string{"daily", "x,y"})}}
	return func(ctx context.Context) (crypto.ID, error) {
		results, err := runner.Backup(ctx, h.source(), []*repo.Repo{r}, opt)
		if err != nil {
			return crypto.ID{}, err
		}
		if lost := results[0].Counts.Lost; lost > 0 {
			return crypto.ID{}, fmt.Errorf("%d entries of %s were lost", lost, h.name)
		}
		return results[0].Snapshot.ID, nil
	}, nil
}

// save backs up a host as it is.
func (g *rig) save(ctx context.Context, h *host) error {
	run, err := g.writer(ctx, g.storage, h)
	if err != nil {
		return err
	}
	id, err := run(ctx)
	if err == nil {
		g.keep(id, h.proof())
	}
	return err
}

func (g *rig) backup(ctx context.Context) error {
	h := pick(g.rng, g.hosts...)
	if err := h.change(g.rng); err != nil {
		return err
	}
	return g.save(ctx, h)
}

func (g *rig) backupEmpty(ctx context.Context) error {
	return g.save(ctx, &host{&memory{sim.Files{}}, "empty"})
}

// broken calls fn with a storage of which a fuse will blow, and clears away the lock that is left if the process died.
func (g *rig) broken(ctx context.Context, fn func(ctx context.Context, b storage.Backend) error) error {
	burning, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &fuse{Backend: g.storage, blow: cancel, kill: g.coin()}
	f.left.Store(1 + g.rng.Int64N(8))
	if err := fn(burning, f); err == nil {
		return nil // it was through before
	} else if !f.blown() {
		return err
	}
	g.untidy = true
	r, err := g.open(ctx, g.storage)
	if err != nil {
		return err
	}
	_, err = r.Unlock(ctx, true)
	return err
}

func (g *rig) backupBroken(ctx context.Context) error {
	h := pick(g.rng, g.hosts...)
	if err := h.change(g.rng); err != nil {
		return err
	}
	return g.broken(ctx, func(ctx context.Context, b storage.Backend) error {
		run, err := g.writer(ctx, b, h)
		if err != nil {
			return err
		}
		id, err := run(ctx)
		if err == nil {
			g.keep(id, h.proof())
		}
		return err
	})
}

// backupTwice backs up all hosts at the same time. What two of them have in common may be saved twice.
func (g *rig) backupTwice(ctx context.Context) error {
	twins := append(slices.Clone(g.hosts), g.hosts[0])
	ids := make([]crypto.ID, len(twins))
	var group errgroup.Group
	for i, h := range twins {
		run, err := g.writer(ctx, g.storage, h)
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() (err error) {
			ids[i], err = run(ctx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, h := range twins {
		g.keep(ids[i], h.proof())
	}
	return nil
}

// checkBeside checks while a backup goes on, whose packs are not indexed yet.
func (g *rig) checkBeside(ctx context.Context) error {
	h := pick(g.rng, g.hosts...)
	run, err := g.writer(ctx, g.storage, h)
	if err != nil {
		return err
	}
	var id crypto.ID
	var group errgroup.Group
	group.Go(func() (err error) {
		id, err = run(ctx)
		return err
	})
	alarms, err := g.check(ctx, checker.PackUnindexed)
	if err := errors.Join(err, group.Wait()); err != nil {
		return err
	}
	g.keep(id, h.proof())
	return raised(alarms)
}

// raised returns the alarms as an error.
func raised(alarms []checker.Finding) (err error) {
	for _, f := range alarms {
		err = errors.Join(err, fmt.Errorf("%w: %s %s in %s: %s", errAlarm, f.Severity, f.Kind, f.Object, f.Message))
	}
	return err
}

var errAlarm = errors.New("alarm")

func (g *rig) forget(ctx context.Context) error {
	if len(g.kept) == 0 {
		return nil
	}
	return g.runForget(ctx, runner.ForgetOptions{IDs: []crypto.ID{pick(g.rng, g.kept...).id}})
}

func (g *rig) forgetByPolicy(ctx context.Context) error {
	by, err := snapshot.ParseGroupBy(pick(g.rng, "host", "host,paths", "tags"))
	if err != nil {
		return err
	}
	return g.runForget(ctx, runner.ForgetOptions{GroupBy: by, Policy: retention.Policy{Last: retention.Count(1 + g.rng.IntN(3)), Daily: retention.Count(g.rng.IntN(3))}})
}

func (g *rig) runForget(ctx context.Context, opt runner.ForgetOptions) error {
	opt.Removed = func(id crypto.ID) { g.drop(id) }
	return g.locked(ctx, g.storage, repo.Exclusive, func(ctx context.Context, r *repo.Repo) error {
		_, left, err := runner.Forget(ctx, r, opt)
		if err == nil && left != len(g.kept) {
			err = fmt.Errorf("forget leaves %d snapshots, and there should be %d", left, len(g.kept))
		}
		return err
	})
}

func (g *rig) prune(ctx context.Context) error {
	if err := g.runPrune(ctx, g.storage); err != nil {
		return err
	}
	g.untidy = false
	return nil
}

func (g *rig) pruneBroken(ctx context.Context) error { return g.broken(ctx, g.runPrune) }

func (g *rig) runPrune(ctx context.Context, b storage.Backend) error {
	opt := pruner.Options{MinSnapshots: len(g.kept), AllowEmpty: len(g.kept) == 0, RepackSmall: g.coin(),
		MaxUnused: pick(g.rng, nil, pruner.Bytes(0), pruner.Bytes(0), pruner.Unlimited)}
	return g.locked(ctx, b, repo.Exclusive, func(ctx context.Context, r *repo.Repo) error {
		plan, err := pruner.Prepare(ctx, r, opt)
		if err != nil {
			return err
		}
		_, err = plan.Apply(ctx)
		return err
	})
}

// copy copies the snapshots into a new repository, with which the rig goes on. Half the time that is cut in another way.
func (g *rig) copy(ctx context.Context) error {
	alarms, err := g.check(ctx)
	if err = errors.Join(err, raised(alarms)); err != nil {
		return err
	}
	old := *g
	g.version = 1 + uint(min(g.rng.IntN(4), 1))
	if g.coin() {
		g.pol = 0x3da3358b4dc173
	}
	if err := g.make(ctx, mem.New()); err != nil {
		return err
	}
	from, err := old.open(ctx, old.storage)
	if err != nil {
		return err
	}
	run := func(ctx context.Context, b storage.Backend) error {
		return g.locked(ctx, b, repo.Shared, func(ctx context.Context, r *repo.Repo) error { return g.copyFrom(ctx, from, r, &old) })
	}
	if g.coin() {
		if err := g.broken(ctx, run); err != nil {
			return err
		}
	}
	return run(ctx, g.storage)
}

func (g *rig) copyFrom(ctx context.Context, from, to *repo.Repo, old *rig) error {
	var all []*snapshot.Snapshot
	for s, err := range snapshot.List(ctx, from, snapshot.Filter{}) {
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	slices.SortFunc(all, snapshot.Compare)
	result, err := copier.Copy(ctx, from, to, all, copier.Options{SaveEvery: pick(g.rng, 1<<30, int64(10_000))})
	for _, outcome := range result.Outcomes {
		err = errors.Join(err, outcome.Err)
		if outcome.Err == nil && g.find(outcome.Copy.ID) < 0 {
			g.keep(outcome.Copy.ID, old.kept[old.find(outcome.Source.ID)].proof)
		}
	}
	return err
}

// repairIndex rebuilds an index with which nothing is wrong, or one of which a file is gone.
func (g *rig) repairIndex(ctx context.Context) error {
	return g.locked(ctx, g.storage, repo.Exclusive, func(ctx context.Context, r *repo.Repo) error {
		var files []crypto.ID
		for info, err := range r.List(ctx, repo.Index) {
			if err != nil {
				return err
			}
			files = append(files, info.ID)
		}
		if len(files) > 0 && g.coin() {
			if err := g.storage.Remove(ctx, repo.Index.Name(pick(g.rng, files...))); err != nil {
				return err
			}
		}
		_, err := repairer.Index(ctx, r, repairer.IndexOptions{ReadAllPacks: g.coin()})
		return err
	})
}

func (g *rig) tag(ctx context.Context) error {
	if len(g.kept) == 0 {
		return nil
	}
	id := pick(g.rng, g.kept...).id
	return g.locked(ctx, g.storage, repo.Exclusive, func(ctx context.Context, r *repo.Repo) error {
		s, err := snapshot.Load(ctx, r, id)
		if err != nil {
			return err
		}
		s.Tags = append(s.Tags, fmt.Sprint("tag", len(g.steps)))
		if err := snapshot.Replace(ctx, r, s); err != nil {
			return err
		}
		g.keep(s.ID, g.drop(id))
		return nil
	})
}

// key adds a password, and goes on with it; half the time it removes the key before.
func (g *rig) key(ctx context.Context) error {
	r, err := g.open(ctx, g.storage)
	if err != nil {
		return err
	}
	old := r.CurrentKey()
	g.password += "+"
	if _, err := quickrepo.AddKey(ctx, g.storage, g.master, g.password); err != nil || g.coin() {
		return err
	}
	return g.locked(ctx, g.storage, repo.Exclusive, func(ctx context.Context, r *repo.Repo) error { return r.RemoveKey(ctx, old) })
}

// migrate makes a repository of version 1 one of version 2.
func (g *rig) migrate(ctx context.Context) error {
	if g.version == 2 {
		return nil
	}
	g.version = 2
	return g.locked(ctx, g.storage, repo.Exclusive, func(ctx context.Context, r *repo.Repo) error {
		return r.UpgradeVersion(ctx)
	})
}
