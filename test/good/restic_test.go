//go:build linux

package good

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
)

// theirs are the steps that restic takes.
func theirs() []step {
	backup := step{"backup by restic", (*rig).theirBackup}
	return []step{backup, backup, backup,
		{"prune by restic", (*rig).theirPrune},
		{"tag by restic", (*rig).theirTag},
	}
}

// run runs a restic command, and returns the snapshots that came and went with it.
func (g *rig) run(ctx context.Context, args ...string) (came, went []crypto.ID, err error) {
	g.restic.Password = g.password
	if _, err := g.restic.Run(ctx, args...); err != nil {
		return nil, nil, err
	}
	r, err := g.open(ctx, g.storage)
	if err != nil {
		return nil, nil, err
	}
	there := make(map[crypto.ID]bool)
	for info, err := range r.List(ctx, repo.Snapshots) {
		if err != nil {
			return nil, nil, err
		}
		there[info.ID] = true
		if g.find(info.ID) < 0 {
			came = append(came, info.ID)
		}
	}
	for _, s := range g.kept {
		if !there[s.id] {
			went = append(went, s.id)
		}
	}
	return came, went, nil
}

func (g *rig) theirBackup(ctx context.Context) error {
	h := pick(g.rng, g.hosts...)
	if err := h.change(g.rng); err != nil {
		return err
	}
	came, went, err := g.run(ctx, append([]string{"backup", "--host", h.name}, h.paths()...)...)
	if err != nil || len(came) != 1 || len(went) != 0 {
		return errors.Join(err, fmt.Errorf("restic backup made %d snapshots and removed %d", len(came), len(went)))
	}
	g.keep(came[0], h.proof())
	return nil
}

func (g *rig) theirPrune(ctx context.Context) error {
	if len(g.kept) == 0 {
		return nil
	}
	id := pick(g.rng, g.kept...).id
	came, went, err := g.run(ctx, "forget", "--prune", "--max-unused", pick(g.rng, "0", "5%", "unlimited"), id.String())
	if err != nil || len(came) != 0 || len(went) != 1 {
		return errors.Join(err, fmt.Errorf("restic forget made %d snapshots and removed %d", len(came), len(went)))
	}
	g.drop(id)
	g.untidy = false
	return nil
}

func (g *rig) theirTag(ctx context.Context) error {
	if len(g.kept) == 0 {
		return nil
	}
	id := pick(g.rng, g.kept...).id
	came, went, err := g.run(ctx, "tag", "--add", fmt.Sprint("theirs", len(g.steps)), id.String())
	if err != nil || len(came) != 1 || len(went) != 1 {
		return errors.Join(err, fmt.Errorf("restic tag made %d snapshots and removed %d", len(came), len(went)))
	}
	g.keep(came[0], g.drop(id))
	return nil
}
