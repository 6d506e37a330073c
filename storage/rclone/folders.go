package rclone

import (
	"context"
	"strings"
	"sync"

	"github.com/rclone/rclone/fs"
)

// folders are those in which something is being saved, for servers that refuse to make one folder twice at a time. rclone makes the
// folder of a file anew for each, and those above it where they are missing.
type folders struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // guarded by mu; closed when the folder is free
	made map[string]bool          // guarded by the lock of folder ""
}

// enter waits until nothing is being saved in a folder, and makes it if that wasn't done before.
func (f *folders) enter(ctx context.Context, remote fs.Fs, dir string) (leave func(), err error) {
	if err := f.make(ctx, remote, dir); err != nil {
		return nil, err
	}
	return f.lock(ctx, dir)
}

// make makes one folder at a time.
func (f *folders) make(ctx context.Context, remote fs.Fs, dir string) error {
	unlock, err := f.lock(ctx, "")
	if err != nil {
		return err
	}
	defer unlock()
	if f.made[dir] {
		return nil
	}
	if f.made == nil {
		f.made = make(map[string]bool)
	}
	if err := remote.Mkdir(ctx, strings.TrimPrefix(dir, ".")); err != nil {
		return err
	}
	f.made[dir] = true
	return nil
}

// lock waits until the folder is free and takes it.
func (f *folders) lock(ctx context.Context, dir string) (unlock func(), err error) {
	for {
		f.mu.Lock()
		busy, taken := f.busy[dir]
		if !taken {
			defer f.mu.Unlock()
			if f.busy == nil {
				f.busy = make(map[string]chan struct{})
			}
			mine := make(chan struct{})
			f.busy[dir] = mine
			return func() {
				f.mu.Lock()
				defer f.mu.Unlock()
				delete(f.busy, dir)
				close(mine)
			}, nil
		}
		f.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
