package runner

import (
	"context"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source"
)

// total tells how much there is to read, so that the time left can be told: as much as last time, or if there was none and Estimate is
// set, what a walk beside the backup counts. It returns what ends the walk.
func total(ctx context.Context, src source.Source, backups []*backup, opt BackupOptions) (stop func()) {
	for _, b := range backups {
		if b.base != nil && b.base.Summary != nil {
			s := b.base.Summary
			opt.Progress.Send(progress.Event{Kind: progress.Total, Files: int64(s.TotalFilesProcessed), Bytes: int64(s.TotalBytesProcessed)})
			return func() {}
		}
	}
	if !opt.Estimate {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if e, ok := count(ctx, src); ok {
			opt.Progress.Send(e)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// count walks a view of its own. What can't be read doesn't count; the backup tells of it.
func count(ctx context.Context, src source.Source) (e progress.Event, ok bool) {
	view, err := src.Open(ctx)
	if err != nil {
		return e, false
	}
	e.Kind = progress.Total
	for item, err := range view.Entries(ctx) {
		if err == nil && item.Type != entry.Dir {
			e.Files++
			e.Bytes += int64(item.Size)
		}
	}
	return e, view.Close() == nil && ctx.Err() == nil
}
