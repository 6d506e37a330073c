package sim

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
)

// Blob is a blob to be saved.
type Blob struct {
	pack.Handle
	Plain []byte
}

// Cut returns the blobs of files that all lie at the root, one for each content, and last of all the tree.
func Cut(files Files) ([]Blob, error) {
	var blobs []Blob
	var b tree.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		e := view{files}.entry(name, false)
		plain := []byte(files[name])
		blob := Blob{pack.Handle{ID: crypto.Hash(plain), Type: pack.Data}, plain}
		if err := b.Append(&tree.Node{Meta: e.Meta, Content: []crypto.ID{blob.ID}}); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(blobs, func(other Blob) bool { return other.ID == blob.ID }) {
			blobs = append(blobs, blob)
		}
	}
	plain := slices.Clone(b.Finish())
	return append(blobs, Blob{pack.Handle{ID: crypto.Hash(plain), Type: pack.Tree}, plain}), nil
}

// Record returns the snapshot of a tree.
func Record(now time.Time, root crypto.ID) *snapshot.Snapshot {
	return &snapshot.Snapshot{Time: now, Tree: root, Hostname: "sim", Paths: []string{"/"}}
}

// BackupCommittedFirst is a backup of files that lie at the root, with a bug planted: it saves the snapshot before what that needs.
func BackupCommittedFirst(ctx context.Context, r *repo.Repo, files Files) (id crypto.ID, err error) {
	blobs, err := Cut(files)
	if err != nil {
		return id, err
	}
	err = locked(ctx, r, repo.Shared, func(ctx context.Context) error {
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		w := r.NewWriter()
		defer w.Close()
		for _, b := range blobs {
			if _, err := w.SaveBlob(ctx, b.Handle, b.Plain); err != nil {
				return err
			}
		}
		s := Record(r.Options().Clock.Now(), blobs[len(blobs)-1].ID)
		if err := snapshot.Save(ctx, r, s); err != nil {
			return err
		}
		id = s.ID
		return w.Flush(ctx)
	})
	return id, err
}
