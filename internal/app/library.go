package app

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/secret"
)

// What a process keeps of the repositories that people look at, so that who goes from folder to folder waits once: to open one takes a tenth of
// a second for the key alone, and to lock it takes longer.
const (
	lockLinger = 2 * time.Second  // from the last reader until a lock is given back: whoever removes something waits for it
	lockAge    = 30 * time.Second // so many go with one lock; who comes later takes another one, so that between them somebody else may lock
	openLinger = 5 * time.Minute
	mostOpen   = 4       // repositories
	mostBlobs  = 4 << 20 // in the indexes of all of them together, each 60 bytes
)

// library is the repositories that a process has open for people to look at. What opened one, such as its password, is looked up anew each
// time: one that was opened otherwise is not used any more. Its methods may be called from any goroutine.
type library struct {
	mu    sync.Mutex // guards what follows, also within volumes
	open  map[string]*volume
	locks []*hold // those that nobody reads with; to be given back
	shut  bool    // nothing lingers any more

	folders []keptFolder
}

// volume is an open repository.
type volume struct {
	mark  [sha256.Size]byte // of what opened it
	turn  chan struct{}     // who has it opens, locks or loads
	r     *opened           // nil until it is open; changed by who has the turn
	hold  *hold             // nil: it is not locked
	users int
	used  time.Time
}

// hold is a lock, and what was read while it was held.
type hold struct {
	ctx    context.Context // ends if the lock is lost
	unlock func() error
	since  time.Time
	users  int
	used   time.Time
	left   bool                             // by its volume: the last reader gives it back
	roots  map[crypto.ID]*snapshot.Snapshot // all that they need is in the index; changed by who has the turn
}

// reading is a reader's place in the library.
type reading struct {
	a *App
	v *volume
	h *hold
}

// read returns a place from which a repository can be read, until close. Who may have it read was asked before.
func (a *App) read(ctx context.Context, id string) (*reading, error) {
	record, place, password, err := a.placeOfRepository(ctx, id)
	if err != nil {
		return nil, err
	}
	rd := &reading{a: a, v: a.openRepositories.volume(id, markOf(place, password), a.now())}
	if err := rd.enter(ctx, record, place, password); err != nil {
		rd.close()
		return nil, err
	}
	return rd, nil
}

// markOf tells whether a repository would be opened in the same way.
func markOf(p Place, password secret.Text) [sha256.Size]byte {
	text, err := json.Marshal([]any{p.Location, p.Settings, p.Guard, p.Upload, p.Download, password.Reveal()})
	if err != nil {
		panic(err) // of texts
	}
	return sha256.Sum256(text)
}

// volume finds or adds an open repository, and counts a user of it.
func (l *library) volume(id string, mark [sha256.Size]byte, now time.Time) *volume {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.open[id]
	if v == nil || v.mark != mark {
		l.drop(id)
		v = &volume{mark: mark, turn: make(chan struct{}, 1)}
		if l.open == nil {
			l.open = map[string]*volume{}
		}
		l.open[id] = v
	}
	v.users, v.used = v.users+1, now
	return v
}

// drop forgets an open repository; who reads it goes on. The caller holds mu.
func (l *library) drop(id string) {
	if v := l.open[id]; v != nil {
		delete(l.open, id)
		l.leave(v)
	}
}

// leave takes the lock from a volume, which is given back when its last reader has gone. The caller holds mu.
func (l *library) leave(v *volume) {
	h := v.hold
	if v.hold = nil; h == nil {
		return
	}
	if h.left = true; h.users == 0 {
		l.locks = append(l.locks, h)
	}
}

// enter opens and locks the repository where that isn't done yet.
func (rd *reading) enter(ctx context.Context, record backstay.Repository, p Place, password secret.Text) (err error) {
	v := rd.v
	if err := rd.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-v.turn }()
	if v.r == nil {
		if v.r, err = rd.a.openAt(ctx, record, p, password, openOptions{patience: personPatience}); err != nil {
			return err
		}
	}
	if rd.join() {
		return nil
	}
	locked, unlock, err := v.r.Lock(context.WithoutCancel(ctx), repo.Shared, repo.LockOptions{Wait: personWait})
	if err != nil {
		return err
	}
	rd.a.openRepositories.mu.Lock()
	defer rd.a.openRepositories.mu.Unlock()
	v.hold = &hold{ctx: locked, unlock: unlock, since: rd.a.now(), users: 1, roots: map[crypto.ID]*snapshot.Snapshot{}}
	rd.h = v.hold
	return nil
}

func (rd *reading) takeTurn(ctx context.Context) error {
	select {
	case rd.v.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// join goes with the lock that is held, if it is good for more.
func (rd *reading) join() bool {
	l := &rd.a.openRepositories
	l.mu.Lock()
	defer l.mu.Unlock()
	h := rd.v.hold
	if h == nil || h.ctx.Err() != nil || rd.a.now().Sub(h.since).Abs() > lockAge {
		l.leave(rd.v)
		return false
	}
	h.users++
	rd.h = h
	return true
}

// root returns a snapshot. The index knows all that it needs: it was loaded after the snapshot was there.
func (rd *reading) root(ctx context.Context, s backstay.Snapshot) (*snapshot.Snapshot, error) {
	handle, err := crypto.ParseID(s.Handle)
	if err != nil {
		return nil, err
	}
	if err := rd.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer func() { <-rd.v.turn }()
	if root := rd.h.roots[handle]; root != nil {
		return root, nil
	}
	root, err := snapshot.Load(ctx, rd.v.r.Repo, handle)
	if err == nil {
		err = rd.v.r.LoadIndex(ctx)
	}
	if err != nil {
		return nil, err
	}
	rd.h.roots[handle] = root
	return root, nil
}

// context ends with ctx, and if the lock is lost.
func (rd *reading) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(rd.h.ctx, func() { cancel(context.Cause(rd.h.ctx)) })
	return ctx, func() { stop(); cancel(nil) }
}

// close leaves the place to others.
func (rd *reading) close() {
	l, now := &rd.a.openRepositories, rd.a.now()
	l.mu.Lock()
	rd.v.users, rd.v.used = rd.v.users-1, now
	if h := rd.h; h != nil {
		h.users, h.used = h.users-1, now
		if h.left && h.users == 0 {
			l.locks = append(l.locks, h)
		}
	}
	shut := l.shut
	l.mu.Unlock()
	if shut {
		_ = rd.a.giveBack() // it is logged
	}
}

// TidyLibrary gives back the locks that nobody reads with, and closes repositories that nobody has looked at for long. A process calls it each
// second, and CloseLibrary at its end.
func (a *App) TidyLibrary(context.Context) error {
	l, now := &a.openRepositories, a.now()
	l.mu.Lock()
	l.forgetFolders(now)
	for id, v := range l.open {
		if h := v.hold; h != nil && h.users == 0 && (now.Sub(h.used).Abs() >= lockLinger || h.ctx.Err() != nil) {
			l.leave(v)
		}
		if v.users == 0 && now.Sub(v.used).Abs() >= openLinger {
			l.drop(id)
		}
	}
	for len(l.open) > mostOpen || l.blobs() > mostBlobs {
		if !l.dropOldest() {
			break
		}
	}
	l.mu.Unlock()
	return a.giveBack()
}

// blobs is how many are in all indexes. The caller holds mu.
func (l *library) blobs() (n int) {
	for _, v := range l.open {
		if v.users == 0 && v.r != nil {
			n += v.r.Index().Count(pack.Data) + v.r.Index().Count(pack.Tree)
		}
	}
	return n
}

// dropOldest drops the repository that nobody has looked at for longest. The caller holds mu.
func (l *library) dropOldest() bool {
	oldest := ""
	for id, v := range l.open {
		if v.users == 0 && (oldest == "" || v.used.Before(l.open[oldest].used)) {
			oldest = id
		}
	}
	l.drop(oldest)
	return oldest != ""
}

// yield gives back the lock of a repository, for somebody who needs it for themselves: at once, or when those who read have gone.
func (a *App) yield(id string) {
	l := &a.openRepositories
	l.mu.Lock()
	if v := l.open[id]; v != nil {
		l.leave(v)
	}
	l.mu.Unlock()
	_ = a.giveBack() // it is logged; whoever locks next is told of a lock that is still there
}

// CloseLibrary gives back all that nobody reads any more.
func (a *App) CloseLibrary() error {
	l := &a.openRepositories
	l.mu.Lock()
	l.shut = true
	for id := range l.open {
		l.drop(id)
	}
	l.mu.Unlock()
	return a.giveBack()
}

// giveBack removes the locks that were left.
func (a *App) giveBack() (err error) {
	l := &a.openRepositories
	l.mu.Lock()
	locks := l.locks
	l.locks = nil
	l.mu.Unlock()
	for _, h := range locks {
		if uerr := h.unlock(); uerr != nil {
			a.Log.Warn("a lock could not be removed", "error", uerr)
			err = errors.Join(err, uerr)
		}
	}
	return err
}
