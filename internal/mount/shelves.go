package mount

import (
	"context"
	"errors"
	"path"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/progress"
)

// shelves keep the layout current.
type shelves struct {
	repo *repo.Repo
	opt  Options

	mu      sync.Mutex                       // guards what follows; held while the storage is asked
	known   map[crypto.ID]*snapshot.Snapshot // nil: it can't be read, which was reported
	layout  layout
	checked time.Time
}

func newShelves(r *repo.Repo, opt Options) *shelves {
	return &shelves{repo: r, opt: opt, known: make(map[crypto.ID]*snapshot.Snapshot)}
}

// find returns a shelf; nil if it is gone. If the storage can't be asked for new snapshots, that is reported and the old
// ones are still there.
func (s *shelves) find(ctx context.Context, name string) shelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := s.repo.Options().Clock.Now().Sub(s.checked); age < 0 || age >= s.opt.Refresh {
		if err := s.update(ctx); err != nil && ctx.Err() == nil {
			s.opt.Progress.Send(progress.Event{Kind: progress.Failed, Item: byTime, Err: err})
		}
	}
	return s.layout[name]
}

// refresh reads which snapshots there are.
func (s *shelves) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.update(ctx)
}

func (s *shelves) update(ctx context.Context) error {
	s.checked = s.repo.Options().Clock.Now()
	there := make(map[crypto.ID]bool)
	var fresh []crypto.ID
	for info, err := range s.repo.List(ctx, repo.Snapshots) {
		if err != nil {
			return err
		}
		there[info.ID] = true
		if _, ok := s.known[info.ID]; !ok {
			fresh = append(fresh, info.ID)
		}
	}
	if len(fresh) == 0 && len(there) == len(s.known) && s.layout != nil {
		return nil
	}
	if err := s.repo.LoadIndex(ctx); err != nil { // after the list, so that it knows what those snapshots need
		return err
	}
	s.load(ctx, fresh)
	var list []*snapshot.Snapshot
	for id, one := range s.known {
		if !there[id] {
			delete(s.known, id)
		} else if one != nil {
			list = append(list, one)
		}
	}
	s.layout = newLayout(list)
	return context.Cause(ctx)
}

// load reads snapshots. What can't be read is reported; only what is not damaged is tried again the next time.
func (s *shelves) load(ctx context.Context, ids []crypto.ID) {
	var group errgroup.Group
	group.SetLimit(max(s.repo.Options().Connections, runtime.GOMAXPROCS(0)))
	var mu sync.Mutex // guards s.known
	for _, id := range ids {
		group.Go(func() error {
			one, err := snapshot.Load(ctx, s.repo, id)
			if err != nil {
				s.opt.Progress.Send(progress.Event{Kind: progress.Failed, Item: path.Join(byID, id.Short()), Err: err})
			}
			if err == nil || errors.Is(err, repo.ErrDamaged) || errors.Is(err, snapshot.ErrWrongKind) {
				mu.Lock()
				defer mu.Unlock()
				s.known[id] = one
			}
			return nil // reported
		})
	}
	_ = group.Wait() // never an error
}
