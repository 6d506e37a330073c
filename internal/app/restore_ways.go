package app

import (
	"context"

	"github.com/backstay/backstay"
)

// RestoreWays says where to a part of a snapshot can be brought back: nil where it can, else why not.
type RestoreWays struct {
	Snapshot backstay.Snapshot
	Original error
	Folder   error // any one of the server's machine
	Download error
}

// RestoreWays tells where to the actor can bring back paths of a snapshot, before they ask for it. A confirmation that is still owed is no
// hindrance: it is asked for when it is time.
func (a *App) RestoreWays(ctx context.Context, who backstay.Actor, id string, paths []string) (w RestoreWays, err error) {
	err = a.look(ctx, who, "snapshot.browsed", func(t *task) error {
		if w.Snapshot, _, err = t.sight(id, backstay.BrowseSnapshots); err != nil {
			return err
		}
		later := *t
		later.who.Fresh = true
		_, _, w.Download = later.sight(id, backstay.ReadSnapshots)
		_, see, err := later.sight(id, backstay.PlanRestores)
		if err != nil {
			w.Original, w.Folder = err, err
			return nil
		}
		see = see.narrow(cleanAll(paths))
		if w.Original = later.allow(backstay.RestoreInPlace, see.scope, see.owner); w.Original == nil {
			_, w.Original = later.restoreSight(backstay.Restore{Source: w.Snapshot.Source, Target: backstay.TargetOriginal}, see)
		}
		if w.Folder = later.allow(backstay.RestoreElsewhere, see.scope, see.owner); w.Folder == nil {
			w.Folder = later.mayUseFolder("/nowhere")
		}
		return nil
	})
	return w, err
}
