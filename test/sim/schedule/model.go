package schedule

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/sim"
)

// model is what must be true of a repository. It is told of each change once that is made, and looks at the repository itself, past
// the actors. Its exported methods are those for actors: they hold the lock of the world.
type model struct {
	world  *world
	oracle *repo.Repo // the same repository, without scheduling points

	files      []*file
	byName     map[string]*file
	packs      map[string]map[string][]pack.Handle // what each index file there is says of packs
	needs      map[crypto.ID]map[pack.Handle]bool  // of each snapshot that was saved
	promised   map[crypto.ID]sim.Files             // acknowledged, and not forgotten
	forgotten  map[crypto.ID]bool
	late       bool // a snapshot arrived that was held up while its actor was suspended: it may be damaged, but nobody was told of it
	total      int  // acknowledged in all
	violations []string
}

// file is a file that is or was there.
type file struct {
	storage.Info
	came, went time.Time // went is zero for one that is there
	owner      *actor
}

// holding is the lock that an actor believes to hold.
type holding struct {
	exclusive bool
	ctx       context.Context // of what is done under the lock; ends when it is lost
}

func (m *model) violated(format string, args ...any) {
	m.violations = append(m.violations, fmt.Sprintf(format, args...))
}

func (m *model) broken() bool { return len(m.violations) > 0 }

// Saved takes note of a new file, and looks whether it may be there.
func (m *model) Saved(c *call, size int64) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	f := &file{Info: storage.Info{Name: c.name, Size: size}, came: m.world.now, owner: c.actor}
	m.files = append(m.files, f)
	m.byName[c.name] = f
	switch kind(c.name) {
	case repo.Packs:
		if !c.frozen && !m.hasLock(c.actor) {
			m.violated("actor %d saves %s without a lock", c.actor.number, c.name)
		}
	case repo.Index:
		m.indexSaved(c)
	case repo.Snapshots:
		m.snapshotSaved(c)
	}
}

func (m *model) indexSaved(c *call) {
	plain, err := m.oracle.LoadFile(context.Background(), repo.Index, id(c.name))
	if err != nil {
		m.violated("actor %d saves an index that can't be read: %v", c.actor.number, err)
		return
	}
	packs := make(map[string][]pack.Handle)
	err = index.Decode(plain, func(id crypto.ID, blobs []pack.Blob) error {
		name := repo.Packs.Name(id)
		for _, b := range blobs {
			packs[name] = append(packs[name], b.Handle)
		}
		if !c.frozen && !m.there(name) {
			m.violated("actor %d saves %s, which names %s, and that is not there", c.actor.number, c.name, name)
		}
		return nil
	})
	if err != nil {
		m.violated("actor %d saves an index that can't be read: %v", c.actor.number, err)
	}
	m.packs[c.name] = packs
}

func (m *model) snapshotSaved(c *call) {
	ctx := context.Background()
	s, err := snapshot.Load(ctx, m.oracle, id(c.name))
	if err == nil {
		if err = m.oracle.LoadIndex(ctx); err == nil {
			m.needs[s.ID], err = sim.Blobs(ctx, m.oracle, s.Tree)
		}
	}
	if err == nil {
		err = m.resolves(m.needs[s.ID])
	}
	m.late = m.late || c.frozen
	if err != nil && !c.frozen {
		m.violated("actor %d saves snapshot %s before what it needs: %v", c.actor.number, id(c.name).Short(), err)
	}
}

// Removed takes note of a file that is gone, and looks whether all that was promised is still there.
func (m *model) Removed(c *call) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	f := m.byName[c.name]
	if f == nil || !f.went.IsZero() {
		return
	}
	f.went = m.world.now
	delete(m.packs, c.name)
	if k := kind(c.name); k != repo.Packs && k != repo.Index {
		return
	}
	for id := range m.promised {
		if err := m.resolves(m.needs[id]); err != nil {
			m.violated("actor %d removes %s, and snapshot %s is lost: %v", c.actor.number, c.name, id.Short(), err)
		}
	}
}

// resolves returns an error unless some index names each of the blobs in a pack that is there.
func (m *model) resolves(blobs map[pack.Handle]bool) error {
	found := make(map[pack.Handle]bool)
	for _, packs := range m.packs {
		for name, handles := range packs {
			if !m.there(name) {
				continue
			}
			for _, h := range handles {
				found[h] = true
			}
		}
	}
	for h := range blobs {
		if !found[h] {
			return fmt.Errorf("%s is in no pack", h)
		}
	}
	return nil
}

// Acknowledged takes note of a promise.
func (m *model) Acknowledged(a *actor, id crypto.ID, files sim.Files) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	m.total++
	if m.forgotten[id] { // by the time that its actor tells of it
		return
	}
	m.promised[id] = files
	if err := m.resolves(m.needs[id]); err != nil || !m.there(repo.Snapshots.Name(id)) {
		m.violated("actor %d acknowledges snapshot %s, which is lost: %v", a.number, id.Short(), err)
	}
}

// Forgotten takes note that a snapshot is about to be removed.
func (m *model) Forgotten(id crypto.ID) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	delete(m.promised, id)
	m.forgotten[id] = true
}

// Failed looks for an error that nothing in the world explains.
func (m *model) Failed(err error) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	if errors.Is(err, repo.ErrNotLocked) {
		m.violated("the engine forgets its lock: %v", err)
	}
}

// Alarmed looks whether a check may find damage.
func (m *model) Alarmed(a *actor, err error) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	if !m.late && m.hasLock(a) && !a.dead {
		m.violated("actor %d is told of damage: %v", a.number, err)
	}
}

// Unread looks whether an actor may fail to read a snapshot: as long as it holds its lock it must find each one that was promised.
func (m *model) Unread(ctx context.Context, a *actor, id crypto.ID, err error) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	if _, promised := m.promised[id]; promised && ctx.Err() == nil && m.hasLock(a) && !a.dead {
		m.violated("actor %d holds a lock, and can't read snapshot %s: %v", a.number, id.Short(), err)
	}
}

// Unlocked takes note that an actor gives its lock back.
func (m *model) Unlocked(a *actor) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	a.holding = nil
}

// Locked takes note of the lock that an actor has got, and looks whether it goes with those that others hold.
func (m *model) Locked(a *actor, h *holding) {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	a.holding = h
	for _, b := range m.world.actors {
		if b == a || b.holding == nil || b.holding.ctx.Err() != nil || !m.hasLock(b) || !m.hasLock(a) {
			continue
		}
		if a.holding.exclusive || b.holding.exclusive {
			m.violated("actors %d and %d hold locks, of which one is exclusive", a.number, b.number)
		}
	}
}

// hasLock reports whether a lock of the actor is there.
func (m *model) hasLock(a *actor) bool {
	for _, f := range m.files {
		if f.owner == a && f.went.IsZero() && kind(f.Name) == repo.Locks {
			return true
		}
	}
	return false
}

func (m *model) there(name string) bool {
	f := m.byName[name]
	return f != nil && f.went.IsZero()
}

// readAll reads, at the end, what was promised.
func (m *model) readAll() {
	ctx := context.Background()
	m.oracle.ForgetIndex()
	if err := m.oracle.LoadIndex(ctx); err != nil {
		m.violated("in the end: %v", err)
		return
	}
	for id, files := range m.promised {
		if err := sim.Expect(ctx, m.oracle, id, files); err != nil {
			m.violated("in the end: %v", err)
		}
	}
}

func kind(name string) repo.FileType {
	dir, _, _ := strings.Cut(name, "/")
	return repo.FileType(dir)
}

// id is the ID in the name of a file.
func id(name string) crypto.ID {
	id, err := crypto.ParseID(path.Base(name))
	if err != nil {
		panic(err) // the engine saves no other names
	}
	return id
}
