package local

import (
	"slices"
	"sync"
)

// maxHandles bounds the files kept open for reading. Packs are read many times, a little each: a kept handle makes a
// read of 4 KiB about ten times as fast, and on a network share saves two round trips.
const maxHandles = 16

// handles keeps the files that were read last open.
type handles struct {
	fs FS

	mu   sync.Mutex
	kept []*handle // guarded by mu, as are the fields of each; the one used last is at the end
}

type handle struct {
	path  string
	file  File
	users int
	kept  bool // else the last user closes it
}

// open returns the open file at path, to be given back with release.
func (h *handles) open(path string) (*handle, error) {
	if found := h.find(path); found != nil {
		return found, nil
	}
	f, err := h.fs.Open(path)
	if err != nil {
		return nil, err
	}
	opened := &handle{path: path, file: f, users: 1, kept: true}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept = append(h.kept, opened)
	if oldest := h.kept[0]; len(h.kept) > maxHandles {
		h.drop(func(k *handle) bool { return k == oldest })
	}
	return opened, nil
}

// find returns the kept handle of path with one more user, or nil.
func (h *handles) find(path string) *handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.kept, func(k *handle) bool { return k.path == path })
	if i < 0 {
		return nil
	}
	found := h.kept[i]
	h.kept = append(slices.Delete(h.kept, i, i+1), found)
	found.users++
	return found
}

func (h *handles) release(used *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	used.users--
	used.closeUnused()
}

// forget closes the file at path, for it is about to be removed.
func (h *handles) forget(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(func(k *handle) bool { return k.path == path })
}

func (h *handles) forgetAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(func(*handle) bool { return true })
}

// drop is called with mu held.
func (h *handles) drop(which func(*handle) bool) {
	h.kept = slices.DeleteFunc(h.kept, func(k *handle) bool {
		if !which(k) {
			return false
		}
		k.kept = false
		k.closeUnused()
		return true
	})
}

func (k *handle) closeUnused() {
	if k.users == 0 && !k.kept {
		_ = k.file.Close() // only read from: its answer changes nothing
	}
}
