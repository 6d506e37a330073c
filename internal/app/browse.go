package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/storage"
)

// personWait is how long somebody who looks at a snapshot waits for the lock of another program to go.
const personWait = 10 * time.Second

// SnapshotEntry is one name in a folder of a snapshot.
type SnapshotEntry struct {
	Name       string     `json:"name"`
	Path       string     `json:"path" doc:"From the root of the snapshot"`
	RawPath    []byte     `json:"raw_path,omitempty" doc:"The bytes of the path, where they are no UTF-8: ask for it with these, percent-encoded"`
	Type       entry.Type `json:"type" enum:"file,dir,symlink,dev,chardev,fifo,socket"`
	Size       uint64     `json:"size" doc:"Bytes, of files"`
	Mode       string     `json:"mode" doc:"As ls shows it"`
	ModTime    time.Time  `json:"modified_at"`
	User       string     `json:"user,omitempty"`
	Group      string     `json:"group,omitempty"`
	LinkTarget string     `json:"link_target,omitempty"`
}

func newEntry(dir string, n *tree.Node) SnapshotEntry {
	e := SnapshotEntry{Name: n.Name, Path: "/" + clean(dir+"/"+n.Name), Type: n.Type, Size: n.Size, Mode: n.Mode.String(), ModTime: n.ModTime.UTC(),
		User: n.User, Group: n.Group, LinkTarget: strings.ToValidUTF8(n.LinkTarget, "\uFFFD")}
	if valid := strings.ToValidUTF8(e.Path, "\uFFFD"); valid != e.Path {
		e.RawPath, e.Path, e.Name = []byte(e.Path), valid, strings.ToValidUTF8(e.Name, "\uFFFD")
	}
	return e
}

// BrowseSnapshot returns a page of what is directly in a folder of a snapshot, by the bytes of the names, and the cursor of the next page.
func (a *App) BrowseSnapshot(ctx context.Context, who backstay.Actor, id, dir, cursor string, limit int) (page []SnapshotEntry, next string, err error) {
	var s backstay.Snapshot
	var see sight
	err = a.change(ctx, who, "snapshot.browsed", func(t *task) error {
		t.quiet = cursor != "" // the first page was told of
		if s, see, err = t.sight(id, backstay.BrowseSnapshots); err != nil {
			return err
		}
		return t.changed(nil, map[string]string{"path": "/" + clean(dir)})
	})
	if err != nil {
		return nil, "", err
	}
	if dir = clean(dir); !see.shows(dir, true) {
		return nil, "", errUnseen(dir)
	}
	err = a.reading(ctx, s, func(ctx context.Context, r *opened, root *snapshot.Snapshot) error {
		folder, err := restorer.Folder(ctx, r.Repo, root.Tree, dir)
		if err != nil {
			return err
		}
		nodes, err := tree.Load(ctx, r.Repo, folder)
		if err != nil && len(nodes) == 0 {
			return err
		}
		page, next = pageOf(nodes, dir, cursor, limit, see)
		return nil
	})
	return page, next, err
}

// pageOf returns what may be seen of the nodes after the one that the cursor names.
func pageOf(nodes []tree.Node, dir, cursor string, limit int, see sight) (page []SnapshotEntry, next string) {
	after, _ := decodeName(cursor)
	last := ""
	for i := range nodes {
		n := &nodes[i]
		if cursor != "" && n.Name <= after || !see.shows(clean(dir+"/"+n.Name), n.Type == entry.Dir) {
			continue
		}
		if len(page) == limit {
			return page, encodeName(last)
		}
		page, last = append(page, newEntry(dir, n)), n.Name
	}
	return page, ""
}

// reading does something with a stored snapshot whose data stays meanwhile. Who may have it read was asked before.
func (a *App) reading(ctx context.Context, s backstay.Snapshot, do func(ctx context.Context, r *opened, root *snapshot.Snapshot) error) (err error) {
	return a.readingAll(ctx, []backstay.Snapshot{s}, func(ctx context.Context, r *opened, roots []*snapshot.Snapshot) error { return do(ctx, r, roots[0]) })
}

// readingAll does something with several snapshots of one repository.
func (a *App) readingAll(ctx context.Context, all []backstay.Snapshot, do func(ctx context.Context, r *opened, roots []*snapshot.Snapshot) error) (err error) {
	rd, err := a.read(ctx, all[0].Repository)
	if err != nil {
		return storageError(err)
	}
	defer rd.close()
	ctx, end := rd.context(ctx)
	defer end()
	roots := make([]*snapshot.Snapshot, len(all))
	for i, s := range all {
		if roots[i], err = rd.root(ctx, s); err != nil {
			break
		}
	}
	if err == nil {
		err = do(ctx, rd.v.r, roots)
	}
	var known *backstay.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return backstay.Errorf(backstay.Cancelled, "cancelled: %w", context.Cause(ctx))
	case errors.Is(err, storage.ErrNotFound):
		return backstay.Errorf(backstay.NotFound, "%w", err)
	}
	return storageError(err)
}

func loadSnapshot(ctx context.Context, r *opened, s backstay.Snapshot) (*snapshot.Snapshot, error) {
	handle, err := crypto.ParseID(s.Handle)
	if err != nil {
		return nil, err
	}
	return snapshot.Load(ctx, r.Repo, handle)
}

// Difference is a path that differs between two snapshots.
type Difference struct {
	Path    string      `json:"path"`
	Kind    differ.Kind `json:"kind" enum:"added,removed,modified,metadata,retyped"`
	Type    entry.Type  `json:"type" doc:"Of the newer one, or of what was removed"`
	OldSize uint64      `json:"old_size,omitempty"`
	NewSize uint64      `json:"new_size,omitempty"`
	Silent  bool        `json:"silent,omitempty" doc:"The content differs and nothing else does: one of the two was probably read from a failing disk"`
}

// Comparison is what differs between two snapshots.
type Comparison struct {
	Items  []Difference      `json:"items"`
	More   bool              `json:"more" doc:"There are more than were asked for; the counts are of all"`
	Counts map[string]uint64 `json:"counts" doc:"How many paths differ in each way"`
	Lost   uint64            `json:"lost" doc:"Paths that could not be read in one of the two"`
}

// DiffSnapshots compares two snapshots of one repository, from the first to the second.
func (a *App) DiffSnapshots(ctx context.Context, who backstay.Actor, from, to string, metadata bool, limit int) (c Comparison, err error) {
	var olds, news backstay.Snapshot
	var seen [2]sight
	err = a.change(ctx, who, "snapshot.compared", func(t *task) error {
		if news, seen[1], err = t.sight(to, backstay.BrowseSnapshots); err != nil {
			return err
		}
		olds, seen[0], err = t.sight(from, backstay.BrowseSnapshots)
		return err
	})
	if err != nil {
		return c, err
	}
	if olds.Repository != news.Repository {
		return c, backstay.Errorf(backstay.Invalid, "the two snapshots are in different repositories").WithHint("Compare with the copy that lies in the same one.")
	}
	c.Items, c.Counts = []Difference{}, map[string]uint64{}
	err = a.readingAll(ctx, []backstay.Snapshot{olds, news}, func(ctx context.Context, r *opened, roots []*snapshot.Snapshot) error {
		for d, err := range differ.Diff(ctx, r.Repo, roots[0].Tree, roots[1].Tree, differ.Options{}) {
			var lost *entry.Error
			switch {
			case errors.As(err, &lost):
				c.Lost++
			case err != nil:
				return err
			case d.Kind == differ.Metadata && !metadata, !seenByBoth(seen, d):
			default:
				c.add(d, limit)
			}
		}
		return nil
	})
	return c, err
}

func seenByBoth(seen [2]sight, d differ.Change) bool {
	first, _ := seen[0].sees(d.Path, false)
	second, _ := seen[1].sees(d.Path, false)
	return first && second
}

func (c *Comparison) add(d differ.Change, limit int) {
	c.Counts[string(d.Kind)]++
	if len(c.Items) == limit {
		c.More = true
		return
	}
	item := Difference{Path: strings.ToValidUTF8("/"+d.Path, "\uFFFD"), Kind: d.Kind, Silent: d.Silent()}
	if d.Old != nil {
		item.Type, item.OldSize = d.Old.Type, d.Old.Size
	}
	if d.New != nil {
		item.Type, item.NewSize = d.New.Type, d.New.Size
	}
	c.Items = append(c.Items, item)
}

// DeleteSnapshot removes a snapshot from its repository. The space of what only it needed is freed by the next prune. The event is written
// before, so that nothing is ever gone without one; if it can't be removed, another one says so.
func (a *App) DeleteSnapshot(ctx context.Context, who backstay.Actor, id string) error {
	var s backstay.Snapshot
	var told backstay.AuditEvent
	err := a.change(ctx, who, "snapshot.deleted", func(t *task) (err error) {
		if s, err = a.Snapshots.find(t, id); err != nil {
			return err
		}
		if err := t.allow(backstay.DeleteSnapshots, s.Scope, s.Owner); err != nil {
			return err
		}
		if err := a.deletable(s); err != nil {
			return err
		}
		told = t.event
		return t.changed(s, nil)
	})
	if err != nil {
		return err
	}
	if err := a.removeSnapshot(ctx, s); err != nil {
		return a.failed(ctx, who, told, err)
	}
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		if err := db.Delete[backstay.Snapshot](ctx, tx, id); err != nil && !errors.Is(err, db.ErrNotFound) { // a scan may have seen it first
			return err
		}
		scan := backstay.Run{Kind: backstay.RunCatalogue} // so that searches find it no more
		a.fill(&scan, s.Project, []string{s.Repository}, "server")
		return db.Insert(ctx, tx, &scan)
	})
	if err != nil {
		return explain(err, "snapshot")
	}
	return nil
}

// deletable refuses to delete what somebody or something keeps.
func (a *App) deletable(s backstay.Snapshot) error {
	switch {
	case s.Protected || slices.Contains(s.Tags, retention.Protected):
		return backstay.Errorf(backstay.Conflict, "snapshot %q is protected", s.Handle[:8]).WithHint("Take the protection away first, if it is right that it goes.")
	case s.KeptUntil != nil && s.KeptUntil.After(a.now()):
		return backstay.Errorf(backstay.Conflict, "object lock keeps snapshot %q until %s", s.Handle[:8], s.KeptUntil.Format(time.DateOnly)).WithHint("Nobody can delete it before.")
	}
	return nil
}

// removeSnapshot removes a snapshot in its repository, unless it was protected in the meantime.
func (a *App) removeSnapshot(ctx context.Context, s backstay.Snapshot) (err error) {
	handle, err := crypto.ParseID(s.Handle)
	if err != nil {
		return err
	}
	r, err := a.openRepository(ctx, s.Repository, openOptions{patience: personPatience})
	if err != nil {
		return storageError(err)
	}
	a.yield(s.Repository)
	ctx, unlock, err := r.Lock(ctx, repo.Exclusive, repo.LockOptions{Wait: personWait})
	if err != nil {
		return storageError(err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	var kept []string
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		kept, err = tx.ProtectedSnapshots(ctx, s.Repository)
		return err
	})
	if err != nil {
		return explain(err, "snapshot")
	}
	if slices.Contains(kept, s.Original) {
		return backstay.Errorf(backstay.Conflict, "snapshot %q is protected", s.Handle[:8]).WithHint("Take the protection away first, if it is right that it goes.")
	}
	_, _, err = runner.Forget(ctx, r.Repo, runner.ForgetOptions{IDs: []crypto.ID{handle}})
	if errors.Is(err, storage.ErrNotFound) {
		return nil // another did so; the record goes, too
	}
	if err != nil {
		return storageError(err)
	}
	return nil
}
