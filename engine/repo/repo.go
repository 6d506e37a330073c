// Package repo is a repository: the files of the restic format in a storage, opened with a password.
//
// A repository holds a config, keys, locks, snapshots, index files and packs. Files are written once and named by the
// SHA-256 of their stored bytes; blobs, which live in packs, by the SHA-256 of their plaintext. The order of writes
// is what keeps it sound: a lock, then packs, then the index that names them, then the snapshot that needs them.
// This package enforces the order where it can: what changes the repository asks the context for a lock on it (see
// Lock), and refuses without one.
//
// The higher packages say what trees and snapshots are; here they are bytes.
package repo

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/user"
	"path"
	"strings"
	"sync"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
)

// Errors of this package. Callers ask for them by errors.Is; the message around them names the file and the reason.
var (
	// ErrNoRepository means that the storage holds no repository where one was to be opened.
	ErrNoRepository = errors.New("there is no repository")
	// ErrExists means that the storage holds a repository, or the remains of one, where a new one was to be made.
	ErrExists = errors.New("there is a repository already")
	// ErrWrongPassword means that the password opens none of the keys.
	ErrWrongPassword = errors.New("wrong password")
	// ErrDamaged means that bytes were read but are not what was once saved.
	ErrDamaged = errors.New("damaged")
	// ErrAmbiguous means that a prefix fits more than one name.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrUnsupported means that the repository is of a version this package doesn't know.
	ErrUnsupported = errors.New("unsupported repository version")
)

// FileType is a folder of the repository; Config stands for the one file at its root.
type FileType string

// The kinds of files.
const (
	Config    FileType = "config"
	Keys      FileType = "keys"
	Locks     FileType = "locks"
	Snapshots FileType = "snapshots"
	Index     FileType = "index"
	Packs     FileType = "data"
)

// Name returns the name of a file in the storage.
func (t FileType) Name(id crypto.ID) string {
	name := id.String()
	switch t {
	case Config:
		return string(Config)
	case Packs:
		return path.Join(string(t), name[:2], name)
	}
	return path.Join(string(t), name)
}

// short names a file for people.
func (t FileType) short(id crypto.ID) string {
	if t == Config {
		return string(t)
	}
	return string(t) + "/" + id.Short()
}

// Options say how a repository is used. The zero value is useful.
type Options struct {
	Compression Compression
	// PackSize is the size in bytes that a pack is closed at. The default of 16 MiB keeps the files of a repository
	// few and costs as much memory for each of the two packs being filled and each upload.
	PackSize int
	// Connections is how many files are uploaded, and loaded, at once; by default 2.
	Connections int
	Clock       clock.Clock // by default the system's
	// Rand is where IVs, salts and the choice of packs come from; it is read by many goroutines at once. By default it is
	// crypto/rand.Reader.
	Rand io.Reader
	// LockDir is a local folder in which a file is held locked for each of our own locks, so that the lock of a killed
	// process is known for what it is. With "" such locks stay until they are removed by hand.
	LockDir string
	// CacheDir is a local folder for copies of what is small and needed again and again, for storages whose answers take their time; ""
	// stands for none. Who wants to know what is in the storage itself has none.
	CacheDir string
	Hostname string // for locks and keys; by default the machine's
	Username string
	Progress progress.Func
}

const (
	defaultConnections = 2
	defaultPackSize    = 16 << 20
	minPackSize        = 4 << 20
	maxPackSize        = 128 << 20
)

func (o Options) withDefaults() (Options, error) {
	if o.PackSize == 0 {
		o.PackSize = defaultPackSize
	}
	if o.PackSize < minPackSize || o.PackSize > maxPackSize {
		return o, fmt.Errorf("pack size %d: it is 4 to 128 MiB", o.PackSize)
	}
	if o.Connections == 0 {
		o.Connections = defaultConnections
	}
	if o.Connections < 0 {
		return o, fmt.Errorf("%d connections: it takes at least 1", o.Connections)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname() // a lock without it is a lock all the same
	}
	if o.Username == "" {
		if u, err := user.Current(); err == nil {
			o.Username = u.Username
		}
	}
	return o, nil
}

// Repo is an open repository. It is safe for concurrent use.
type Repo struct {
	backend storage.Backend
	opt     Options
	key     *crypto.Key
	config  RepoConfig
	codec   *Encoder
	files   fileEncoder
	buffers sync.Pool // *[]byte, for what is read and opened

	loading sync.Mutex // held by LoadIndex

	copies copies   // of small files
	sizes  sync.Map // int64 by name, of files but packs: what a listing told need not be asked for again

	unguarded sync.Once // tells that locks have no local files

	mu     sync.Mutex // guards what follows
	keyID  crypto.ID
	index  *index.Index
	next   *index.Index              // the one that LoadIndex is making; index itself if it only adds to it
	loaded map[crypto.ID][]crypto.ID // index files that next was made from, and the packs that each names
}

// Config returns what the repository was made with.
func (r *Repo) Config() RepoConfig { return r.config }

// CurrentKey returns the ID of the key file that the password opened.
func (r *Repo) CurrentKey() crypto.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keyID
}

func (r *Repo) useKey(id crypto.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keyID = id
}

// Backend returns the storage below. What is changed there directly is not guarded by locks.
func (r *Repo) Backend() storage.Backend { return r.backend }

// Options returns the options in force, defaults filled in.
func (r *Repo) Options() Options { return r.opt }

// FileInfo is what a listing tells of a file in the repository.
type FileInfo struct {
	ID   crypto.ID
	Size int64 // bytes as stored
}

// List yields the files of one type, in no order. Names that are no IDs are passed over.
func (r *Repo) List(ctx context.Context, t FileType) iter.Seq2[FileInfo, error] {
	return func(yield func(FileInfo, error) bool) {
		var there map[crypto.ID]bool // of which there may be copies
		if r.copies.holds(t) {
			there = make(map[crypto.ID]bool)
		}
		for info, err := range r.backend.List(ctx, string(t)) {
			if err != nil {
				yield(FileInfo{}, fmt.Errorf("list %s: %w", t, err))
				return
			}
			id, err := crypto.ParseID(path.Base(info.Name))
			if err != nil || t.Name(id) != info.Name {
				continue
			}
			if there != nil {
				there[id] = true
			}
			if t != Packs {
				r.sizes.Store(info.Name, info.Size)
			}
			if !yield(FileInfo{ID: id, Size: info.Size}, nil) {
				return
			}
		}
		if there != nil {
			r.copies.retain(t, func(id crypto.ID) bool { return there[id] })
		}
	}
}

// FindFile returns the one file of the type whose name starts with prefix; else the error wraps storage.ErrNotFound or
// ErrAmbiguous.
func (r *Repo) FindFile(ctx context.Context, t FileType, prefix string) (crypto.ID, error) {
	var found crypto.ID
	for info, err := range r.List(ctx, t) {
		if err != nil {
			return crypto.ID{}, err
		}
		if !strings.HasPrefix(info.ID.String(), prefix) {
			continue
		}
		if !found.IsNull() {
			return crypto.ID{}, fmt.Errorf("find %s %q: %w: %s and %s", t, prefix, ErrAmbiguous, found.Short(), info.ID.Short())
		}
		found = info.ID
	}
	if found.IsNull() {
		return crypto.ID{}, fmt.Errorf("find %s %q: %w", t, prefix, storage.ErrNotFound)
	}
	return found, nil
}

// DamageError says which file, or which blob of it, is damaged. It wraps ErrDamaged.
type DamageError struct {
	Type FileType
	ID   crypto.ID
	Blob pack.Handle // null ID: the file as a whole
	Err  error
}

func (e *DamageError) Error() string {
	if e.Blob.ID.IsNull() {
		return fmt.Sprintf("%s is damaged: %v", e.Type.short(e.ID), e.Err)
	}
	return fmt.Sprintf("blob %s in %s is damaged: %v", e.Blob, e.Type.short(e.ID), e.Err)
}

// Unwrap returns ErrDamaged and the reason.
func (e *DamageError) Unwrap() []error { return []error{ErrDamaged, e.Err} }

var errHash = errors.New("its hash is not its name")

// maxSize are sizes that honest files don't reach, in bytes, as stored and in the clear: who reads trusts neither the
// storage nor what it holds. The largest index file that is written is of some 10 MB.
var maxSize = map[FileType]int64{Config: 64 << 10, Keys: 64 << 10, Locks: 64 << 10, Snapshots: 16 << 20, Index: 256 << 20, Packs: 1 << 32}

// LoadRaw returns the stored bytes of a file, checked against its name.
func (r *Repo) LoadRaw(ctx context.Context, t FileType, id crypto.ID) ([]byte, error) {
	copied := r.copies.holds(t)
	if copied {
		if p, ok := r.copies.load(t, id); ok {
			return p, nil
		}
	}
	p, err := r.loadRaw(ctx, t, id)
	if errors.Is(err, ErrDamaged) { // maybe only on its way
		p, err = r.loadRaw(ctx, t, id)
	}
	if err == nil && copied {
		r.copies.save(t, id, p)
	}
	return p, err
}

func (r *Repo) loadRaw(ctx context.Context, t FileType, id crypto.ID) ([]byte, error) {
	size, err := r.size(ctx, t.Name(id))
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", t.short(id), err)
	}
	if size > maxSize[t] {
		return nil, &DamageError{Type: t, ID: id, Err: fmt.Errorf("%d bytes are more than such a file may have", size)}
	}
	p := make([]byte, size)
	if err := r.backend.Load(ctx, t.Name(id), p, 0); err != nil {
		return nil, fmt.Errorf("load %s: %w", t.short(id), err)
	}
	if t != Config && crypto.Hash(p) != id {
		return nil, &DamageError{Type: t, ID: id, Err: errHash}
	}
	return p, nil
}

// size returns the size of a file as a listing told it, which counts once: who comes again may have been told wrongly.
func (r *Repo) size(ctx context.Context, name string) (int64, error) {
	if size, told := r.sizes.LoadAndDelete(name); told {
		return size.(int64), nil
	}
	info, err := r.backend.Stat(ctx, name)
	return info.Size, err
}

// LoadFile returns the JSON of an unpacked file: an index, a snapshot, a lock.
func (r *Repo) LoadFile(ctx context.Context, t FileType, id crypto.ID) ([]byte, error) {
	plain, err := r.loadFile(ctx, t, id)
	if t == Config && errors.Is(err, ErrDamaged) { // it has no hash by which LoadRaw could see that it came damaged
		plain, err = r.loadFile(ctx, t, id)
	}
	return plain, err
}

func (r *Repo) loadFile(ctx context.Context, t FileType, id crypto.ID) ([]byte, error) {
	p, err := r.LoadRaw(ctx, t, id)
	if err != nil {
		return nil, err
	}
	plain, err := r.openFile(t, p)
	if err != nil {
		return nil, &DamageError{Type: t, ID: id, Err: err}
	}
	return plain, nil
}

const compressedJSON = 0x02 // first byte of the plaintext of an unpacked file; '{' or '[' stand for plain JSON

func (r *Repo) openFile(t FileType, p []byte) ([]byte, error) {
	plain, err := r.key.Open(nil, p)
	switch {
	case err != nil:
		return nil, err
	case len(plain) == 0:
		return nil, errors.New("it is empty")
	case plain[0] == '{' || plain[0] == '[':
		return plain, nil
	case plain[0] != compressedJSON:
		return nil, fmt.Errorf("its first byte is 0x%02x", plain[0])
	}
	return r.codec.decompress(plain[1:], int(maxSize[t]))
}

// Encoder returns what compresses blobs with the level of Options.Compression.
func (r *Repo) Encoder() *Encoder { return r.codec }

// SaveFile compresses, seals and saves the JSON of an unpacked file, an object or a list. The context must hold a lock on
// the repository.
func (r *Repo) SaveFile(ctx context.Context, t FileType, plain []byte) (crypto.ID, error) {
	return r.saveFile(ctx, t, writes(plain))
}

// writes returns what writes p.
func writes(p []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(p)
		return err
	}
}

// saveFile is SaveFile of all that write writes. It is called several times, and writes the same each time.
func (r *Repo) saveFile(ctx context.Context, t FileType, write func(io.Writer) error) (crypto.ID, error) {
	if err := r.guard(ctx, Shared); err != nil {
		return crypto.ID{}, fmt.Errorf("save %s: %w", t, err)
	}
	id, sealed, err := r.sealFile(t, write)
	if err != nil {
		return crypto.ID{}, err
	}
	if err := r.saveRaw(ctx, t, id, sealed); err != nil {
		return crypto.ID{}, err
	}
	return id, r.keepSaved(ctx, t, id)
}

// keepSaved takes a file away again if the lock was lost while it was being saved: on a machine that slept meanwhile, what the file
// names may have been pruned before it was there.
func (r *Repo) keepSaved(ctx context.Context, t FileType, id crypto.ID) error {
	ctx = context.WithoutCancel(ctx) // of a run that was cancelled since it is kept
	err := r.guard(ctx, Shared)
	if !errors.Is(err, ErrLockLost) {
		return nil
	}
	ctx, cancel := r.within(ctx, lockRelease)
	defer cancel()
	return errors.Join(fmt.Errorf("save %s: %w", t.short(id), err), r.removeRaw(ctx, t, id))
}

// sealFile returns the bytes to be stored, opened again and compared.
func (r *Repo) sealFile(t FileType, write func(io.Writer) error) (crypto.ID, []byte, error) {
	packed, err := r.filePlain(t, write)
	if err != nil {
		return crypto.ID{}, nil, fmt.Errorf("compress %s: %w", t, err)
	}
	sealed, err := r.key.Seal(nil, packed, r.opt.Rand)
	if err != nil {
		return crypto.ID{}, nil, fmt.Errorf("seal %s: %w", t, err)
	}
	if !r.key.Opens(sealed, packed) {
		return crypto.ID{}, nil, fmt.Errorf("seal %s: %w", t, pack.ErrSealMismatch)
	}
	return crypto.Hash(sealed), sealed, nil
}

// filePlain returns what is sealed of a file.
func (r *Repo) filePlain(t FileType, write func(io.Writer) error) ([]byte, error) {
	if r.config.Version > 1 && t != Config {
		return r.files.compress(write)
	}
	var plain bytes.Buffer
	err := write(&plain)
	return plain.Bytes(), err
}

func (r *Repo) saveRaw(ctx context.Context, t FileType, id crypto.ID, p []byte) error {
	body := storage.Body{Size: int64(len(p)), SHA256: id, Open: func() io.Reader { return bytes.NewReader(p) }}
	if err := r.backend.Save(ctx, t.Name(id), body); err != nil {
		return fmt.Errorf("save %s: %w", t.short(id), err)
	}
	if r.copies.holds(t) {
		r.copies.save(t, id, p)
	}
	return nil
}

// RemoveFile deletes a file; one that is gone is no error. The context must hold an exclusive lock on the repository.
func (r *Repo) RemoveFile(ctx context.Context, t FileType, id crypto.ID) error {
	if err := r.guard(ctx, Exclusive); err != nil {
		return fmt.Errorf("remove %s: %w", t.short(id), err)
	}
	return r.removeRaw(ctx, t, id)
}

func (r *Repo) removeRaw(ctx context.Context, t FileType, id crypto.ID) error {
	if err := r.backend.Remove(ctx, t.Name(id)); err != nil {
		return fmt.Errorf("remove %s: %w", t.short(id), err)
	}
	return nil
}
