package pruner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/progress"
)

// loadSnapshots lists the snapshots and returns their trees.
func (p *Plan) loadSnapshots(ctx context.Context) (roots []crypto.ID, err error) {
	p.snapshots = make(map[crypto.ID]bool)
	for s, err := range snapshot.List(ctx, p.repo, snapshot.Filter{}) {
		var file *snapshot.FileError
		switch {
		case errors.As(err, &file):
			if p.opt.Without[file.ID] {
				continue
			}
			if err := p.passOver(ctx, file); err != nil {
				return nil, err
			}
			p.snapshots[file.ID] = true
		case err != nil:
			return nil, err
		case !p.opt.Without[s.ID]:
			p.snapshots[s.ID] = true
			p.Figures.Snapshots++
			roots = append(roots, s.Tree)
		}
	}
	return roots, nil
}

// passOver returns nil if a file among the snapshots is genuine, but of another kind, and names no tree. Anybody who can write to the
// storage can put a copy of an index file there; that must not be the end of all pruning.
func (p *Plan) passOver(ctx context.Context, file *snapshot.FileError) error {
	refused := &RefusedError{Hint: "Check the repository; a snapshot that is lost for good must be removed first.", Err: file}
	if !errors.Is(file, snapshot.ErrWrongKind) {
		return refused
	}
	plain, err := p.repo.LoadFile(ctx, repo.Snapshots, file.ID)
	if err != nil {
		return refused
	}
	var content map[string]json.RawMessage
	if json.Unmarshal(plain, &content) != nil || content["tree"] != nil {
		return refused
	}
	p.opt.Progress.Send(progress.Event{Kind: progress.Notice, Item: repo.Snapshots.Name(file.ID), Text: file.Error()})
	return nil
}

// findUsed walks all trees, each once, and marks what they name.
func (p *Plan) findUsed(ctx context.Context, roots []crypto.ID) error {
	p.used = p.index.NewSet()
	return tree.Reach(ctx, p.repo, roots, marker{p.used})
}

// marker is the visitor that marks what it comes across.
type marker struct{ used *index.Set }

func (m marker) Blob(parent crypto.ID, h pack.Handle) (enter bool, err error) {
	added, known := m.used.Add(h)
	switch {
	case known:
		return added, nil
	case parent.IsNull():
		return false, missing(fmt.Errorf("%s, the root of a snapshot, is in no index", h))
	}
	return false, missing(fmt.Errorf("%s, named by tree %s, is in no index", h, parent.Short()))
}

func (m marker) Broken(_ crypto.ID, err error) error {
	return &RefusedError{Hint: "Check the repository; snapshots that can't be repaired must be removed first.", Err: err}
}

func missing(err error) error {
	return &RefusedError{Hint: "Check the repository. It may be that the storage does not list all files just now.",
		Err: fmt.Errorf("%w: %w", ErrMissing, err)}
}
