package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/copier"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/progress"
)

// prepareAll makes the repositories ready. With a patience one drops out that is not ready so long after another.
func prepareAll(ctx context.Context, backups []*backup, opt BackupOptions) {
	if opt.Patience == 0 || len(backups) == 1 {
		for _, b := range backups {
			b.prepare(ctx, opt)
		}
		return
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ready := make(chan *backup, len(backups))
	var preparing, watching sync.WaitGroup
	for _, b := range backups {
		preparing.Go(func() {
			if b.prepare(ctx, opt); b.result.Err == nil {
				ready <- b
			}
		})
	}
	watching.Go(func() {
		select {
		case first := <-ready:
			if first.repo.Options().Clock.Sleep(ctx, opt.Patience) == nil {
				cancel(fmt.Errorf("%w: its index was not loaded within %v", archiver.ErrSlow, opt.Patience))
			}
		case <-ctx.Done():
		}
	})
	preparing.Wait()
	cancel(nil)
	watching.Wait()
}

// catchUp gives each repository that was too slow a copy of the snapshot, from one that has it. Those that failed are left alone: what
// made them fail is there still.
func catchUp(ctx context.Context, backups []*backup, opt BackupOptions) {
	var finished, slow []int
	for i, b := range backups {
		switch {
		case b.result.Err == nil:
			finished = append(finished, i)
		case errors.Is(b.result.Err, archiver.ErrSlow):
			slow = append(slow, i)
		}
	}
	if len(finished) == 0 {
		return
	}
	var copies sync.WaitGroup
	for _, i := range slow {
		b := backups[i]
		from := max(0, slices.IndexFunc(finished, func(k int) bool { return b.cutsLike(backups[k]) }))
		copies.Go(func() { b.catchUp(ctx, finished[from], backups[finished[from]], opt) })
	}
	copies.Wait()
}

// cutsLike reports whether a copy from the other repository shares data with the backups of this one.
func (b *backup) cutsLike(other *backup) bool {
	return b.repo.Config().Polynomial == other.repo.Config().Polynomial
}

// catchUp copies the snapshot of another repository. The next backup is compared with the copy.
func (b *backup) catchUp(ctx context.Context, number int, from *backup, opt BackupOptions) {
	opt.Progress.Send(progress.Event{Kind: progress.Notice, Text: fmt.Sprintf("copying to %q what it lacks, from %q", b.name, from.name)})
	reason := b.result.Err
	copied, err := copier.Copy(ctx, from.repo, b.repo, []*snapshot.Snapshot{from.made()}, copier.Options{Progress: unpleasant(opt.Progress)})
	if err == nil {
		err = copied.Outcomes[0].Err
	}
	if err != nil {
		b.result.Err = fmt.Errorf("%w; then a copy from %q failed: %w", reason, from.name, err)
		return
	}
	counts := from.result.Counts
	counts.DataBlobs, counts.TreeBlobs = copied.Stored.DataBlobs, copied.Stored.TreeBlobs
	b.result = BackupResult{Snapshot: copied.Outcomes[0].Copy, CaughtUp: &CaughtUp{From: number, Reason: reason}, Counts: counts}
}

// made is the snapshot that the repository has of what was read.
func (b *backup) made() *snapshot.Snapshot {
	if b.result.Skipped {
		return b.base
	}
	return b.result.Snapshot
}

// unpleasant lets through what a person has to know. How far a copy is doesn't go with the figures of the backup.
func unpleasant(send progress.Func) progress.Func {
	return func(e progress.Event) {
		if e.Kind == progress.Failed || e.Kind == progress.Notice {
			send.Send(e)
		}
	}
}
