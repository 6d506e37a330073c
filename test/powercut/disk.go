// Package powercut simulates power cuts at every call that storage/local makes of the file system.
//
// A disk is a file system in memory which knows what was made durable and what was not. Before each call that changes
// anything it takes copies of itself as a power cut would leave it: with nothing that was not durable, with half of it
// chosen at random, and with all of it. Each copy is a state, together with what was promised by then. The tests back up,
// forget and prune on such a disk, and then look into each state: what was acknowledged is there, to the last byte, and
// the work can go on. It is a module of its own because the disk, which is pebble's, is no dependency of the product.
package powercut

import (
	"errors"
	"io/fs"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/backstay/backstay/storage/local"
)

// flaw is a planted bug of a file system, or of whoever uses it.
type flaw string

const (
	sound      flaw = ""
	noSync     flaw = "no fsync of files"
	noSyncDir  flaw = "no fsync of folders"
	renameSoon flaw = "rename before fsync"
)

// kept are the percentages of what was not durable that the copies of a disk hold.
var kept = []int{0, 50, 100}

// disk is a local.FS on which the power can fail.
type disk struct {
	mem  *vfs.MemFS
	flaw flaw
	cut  func(after []*vfs.MemFS) // is handed the copies before each change; nil: no copies are made

	mu  sync.Mutex // held over each change and the copies before it
	rng *rand.Rand // guarded by mu
}

func newDisk(seed uint64, f flaw) *disk {
	return &disk{mem: vfs.NewCrashableMem(), flaw: f, rng: rand.New(rand.NewPCG(seed, 0))}
}

// snap hands out copies.
func (d *disk) snap() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.snapLocked()
}

func (d *disk) snapLocked() {
	if d.cut == nil {
		return
	}
	var after []*vfs.MemFS
	for _, percent := range kept {
		after = append(after, d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: d.rng}))
	}
	d.cut(after)
}

// change hands out copies, then makes the change.
func (d *disk) change(fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.snapLocked()
	return fn()
}

// Create implements local.FS.
func (d *disk) Create(path string) (f local.File, err error) {
	err = d.change(func() error {
		if _, err := d.mem.Stat(path); err == nil {
			return fs.ErrExist
		}
		opened, err := d.mem.Create(path, vfs.WriteCategoryUnspecified)
		f = file{opened, d}
		return err
	})
	return f, err
}

// Open implements local.FS.
func (d *disk) Open(path string) (local.File, error) { return d.mem.Open(path) }

// Stat implements local.FS.
func (d *disk) Stat(path string) (fs.FileInfo, error) { return d.mem.Stat(path) }

// Rename implements local.FS.
func (d *disk) Rename(from, to string) error {
	return d.change(func() error {
		if _, err := d.mem.Stat(to); err == nil {
			return fs.ErrExist
		}
		return d.mem.Rename(from, to)
	})
}

// Chmod implements local.FS. The disk knows no permissions.
func (d *disk) Chmod(string, fs.FileMode) error { return nil }

// Remove implements local.FS.
func (d *disk) Remove(path string) error {
	return d.change(func() error { return d.mem.Remove(path) })
}

// Mkdir implements local.FS.
func (d *disk) Mkdir(path string) error {
	return d.change(func() error { return d.mem.MkdirAll(path, 0o700) })
}

// ReadDir implements local.FS.
func (d *disk) ReadDir(path string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		names, err := d.mem.List(path)
		slices.Sort(names)
		for _, name := range names {
			if !yield(name, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

// SyncDir implements local.FS.
func (d *disk) SyncDir(path string) error {
	return d.change(func() error {
		if d.flaw == noSyncDir {
			return nil
		}
		f, err := d.mem.OpenDir(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// file is an open file of a disk.
type file struct {
	vfs.File
	disk *disk
}

func (f file) Write(p []byte) (n int, err error) {
	err = f.disk.change(func() error { n, err = f.File.Write(p); return err })
	return n, err
}

func (f file) Sync() error {
	return f.disk.change(func() error {
		if f.disk.flaw == noSync {
			return nil
		}
		return f.File.Sync()
	})
}

func (f file) Close() error {
	return f.disk.change(f.File.Close)
}
