// Package mount shows a repository as a read-only file system (FUSE), so that people look into snapshots and copy files
// out with the tools they know.
//
// A shelf is a directory that sorts snapshots: snapshots/<time>, ids/<id>, tags/<tag>/<time> and hosts/<host>/<time>, with a
// link "latest" beside the times. Below it stands the snapshot's tree as it was backed up. New snapshots show up by
// themselves.
//
// Nothing is read before it is asked for. Directories, and the blobs of files, are kept in two caches of limited size; of
// a name that the kernel knows only its place is remembered. The invariant: what is read is what was backed up, or it is
// an input/output error (EIO) whose reason is reported.
package mount

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/progress"
)

// Options say how to mount. The zero value is useful.
type Options struct {
	AllowOther bool             // let other users in, as far as the modes of files allow them
	OwnerRoot  bool             // show everything as owned by root
	BlobCache  int              // bytes of file content kept in memory; by default 64 MiB: a few large chunks for each reader
	TreeCache  int              // bytes of directories kept in memory; by default 32 MiB: some 50,000 names
	Refresh    time.Duration    // how long the list of snapshots is taken for current; by default 15 s, for it costs a request
	Lock       repo.LockOptions // of the shared lock
	Ready      func()           // called once when the file system can be used; may be nil
	Progress   progress.Func    // Failed for what can't be read, with its path in the mount; Notice for what FUSE tells
}

func (o Options) withDefaults() Options {
	if o.BlobCache == 0 {
		o.BlobCache = 64 << 20
	}
	if o.TreeCache == 0 {
		o.TreeCache = 32 << 20
	}
	if o.Refresh == 0 {
		o.Refresh = 15 * time.Second
	}
	return o
}

// Mount shows the repository in the directory dir until somebody unmounts it, which is no error, or ctx ends, whose cause
// it then returns. It holds a shared lock meanwhile, so that nothing that is shown can be pruned.
//
// At the end of ctx the file system goes away even if it is in use: who has a file open gets errors from then on.
func Mount(ctx context.Context, r *repo.Repo, dir string, opt Options) (err error) {
	if info, err := os.Stat(dir); err != nil {
		return fmt.Errorf("mount: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("mount on %q: not a directory", dir)
	}
	ctx, unlock, err := r.Lock(ctx, repo.Shared, opt.Lock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	m := newMounted(ctx, r, opt.withDefaults())
	defer m.close()
	if err := m.shelves.refresh(ctx); err != nil {
		return fmt.Errorf("mount on %q: %w", dir, err)
	}
	return m.serve(dir)
}

// mounted is what all nodes of a mounted repository share.
type mounted struct {
	ctx     context.Context
	cancel  context.CancelFunc
	repo    *repo.Repo
	opt     Options
	shelves *shelves
	trees   *cache[*listing]
	blobs   *cache[[]byte]
}

func newMounted(ctx context.Context, r *repo.Repo, opt Options) *mounted {
	ctx, cancel := context.WithCancel(ctx)
	m := &mounted{ctx: ctx, cancel: cancel, repo: r, opt: opt}
	m.shelves = newShelves(r, opt)
	m.trees = newCache(opt.TreeCache, r.Options().Connections, m.loadTree)
	m.blobs = newCache(opt.BlobCache, r.Options().Connections, m.loadBlob)
	return m
}

func (m *mounted) close() {
	m.cancel()
	m.trees.wait()
	m.blobs.wait()
}

// serve mounts, and returns once that is over.
func (m *mounted) serve(dir string) error {
	server, err := fs.Mount(dir, &shelfNode{mounted: m}, m.fuseOptions())
	if err != nil {
		return fmt.Errorf("mount on %q: %w", dir, err)
	}
	over := make(chan struct{})
	go func() {
		server.Wait()
		close(over)
	}()
	if m.opt.Ready != nil {
		m.opt.Ready()
	}
	select {
	case <-over:
		return nil
	case <-m.ctx.Done():
	}
	if err := unmount(server, dir); err != nil {
		return errors.Join(context.Cause(m.ctx), err)
	}
	<-over
	return context.Cause(m.ctx)
}

// immutable is how long the kernel may remember what can't change: all that is in a snapshot.
const immutable = time.Hour

func (m *mounted) fuseOptions() *fs.Options {
	timeout := immutable
	o := &fs.Options{EntryTimeout: &timeout, AttrTimeout: &timeout, NullPermissions: true}
	o.MountOptions = fuse.MountOptions{
		Name: "backstay", FsName: "backstay",
		AllowOther:  m.opt.AllowOther,
		Options:     []string{"ro"},
		DirectMount: true, // root needs no helper program
		Logger:      log.New(notices(m.opt.Progress), "", 0),
	}
	if m.opt.AllowOther {
		o.Options = append(o.Options, "default_permissions")
	}
	return o
}

// notices passes on what the FUSE library logs.
type notices progress.Func

func (n notices) Write(p []byte) (int, error) {
	progress.Func(n).Send(progress.Event{Kind: progress.Notice, Text: "fuse: " + string(p)})
	return len(p), nil
}

// fail reports why something in the file system can't be read.
func (m *mounted) fail(path string, err error) {
	m.opt.Progress.Send(progress.Event{Kind: progress.Failed, Item: path, Err: err})
}
