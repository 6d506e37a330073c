package powercut

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/test/sim"
)

// keptState is a state as it is kept in a folder: the disk as files below "disk", the rest as JSON. Which half of what was not durable
// a copy holds depends on the order of a map in pebble, and what the product does at once on the order of its goroutines: no seed
// brings a state back, so one that lost something is kept itself.
type keptState struct {
	Kept      int
	During    string
	Made      bool
	Snapshots map[string]map[string][]byte
	Gone      []string
}

// keep writes the state into dir.
func (s state) keep(dir string) error {
	k := keptState{Kept: s.kept, During: s.during, Made: s.promised.made, Snapshots: map[string]map[string][]byte{}}
	for id, files := range s.promised.snapshots {
		contents := map[string][]byte{}
		for name, content := range files {
			contents[name] = []byte(content)
		}
		k.Snapshots[id.String()] = contents
	}
	for id := range s.promised.gone {
		k.Gone = append(k.Gone, id.String())
	}
	facts, err := json.MarshalIndent(k, "", "\t")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "state.json"), facts, 0o600)
	}
	return errors.Join(err, keepDir(s.mem, "/", filepath.Join(dir, "disk")))
}

func keepDir(mem *vfs.MemFS, from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	names, err := mem.List(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		from, to := filepath.Join(from, name), filepath.Join(to, name)
		info, err := mem.Stat(from)
		if err != nil {
			return err
		}
		if info.IsDir() {
			err = keepDir(mem, from, to)
		} else {
			err = keepFile(mem, from, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func keepFile(mem *vfs.MemFS, from, to string) error {
	f, err := mem.Open(from)
	if err != nil {
		return err
	}
	p, err := io.ReadAll(f)
	return errors.Join(err, f.Close(), os.WriteFile(to, p, 0o600))
}

// loadState reads a state that was kept.
func loadState(dir string) (state, error) {
	facts, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return state{}, err
	}
	var k keptState
	if err := json.Unmarshal(facts, &k); err != nil {
		return state{}, err
	}
	s := state{mem: vfs.NewCrashableMem(), kept: k.Kept, during: k.During,
		promised: promise{made: k.Made, snapshots: map[crypto.ID]sim.Files{}, gone: map[crypto.ID]bool{}}}
	for name, contents := range k.Snapshots {
		id, err := crypto.ParseID(name)
		if err != nil {
			return state{}, err
		}
		files := sim.Files{}
		for name, content := range contents {
			files[name] = string(content)
		}
		s.promised.snapshots[id] = files
	}
	for _, name := range k.Gone {
		id, err := crypto.ParseID(name)
		if err != nil {
			return state{}, err
		}
		s.promised.gone[id] = true
	}
	return s, loadDir(s.mem, filepath.Join(dir, "disk"))
}

func loadDir(mem *vfs.MemFS, root string) error {
	return filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		to := filepath.Join("/", rel)
		if d.IsDir() {
			return mem.MkdirAll(to, 0o700)
		}
		p, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := mem.Create(to, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		_, err = f.Write(p)
		return errors.Join(err, f.Close())
	})
}
