package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
)

// The snapshots that a server makes of itself have the tag ServerTag, and hold the one file ServerFile.
const (
	ServerTag  = app.ServerTag
	ServerFile = app.ServerFile
)

// Restored says what was brought back.
type Restored struct {
	Made time.Time      // when the backup was made
	Rows map[string]int // of each table
}

// Restore makes a new server of the backup of one: its folder and database have to be empty. With saveKey the keys that are given are put into
// the folder. All is brought back or nothing; one that was killed is begun again.
func Restore(ctx context.Context, opt Options, saveKey bool, backup io.Reader) (r Restored, err error) {
	if err := os.MkdirAll(opt.Data, 0o700); err != nil {
		return r, fmt.Errorf("make the data folder: %w", err)
	}
	if err := emptyFolder(opt.Data); err != nil {
		return r, err
	}
	file := filepath.Join(opt.Data, "secret.key")
	if saveKey {
		err = keepKey(file, opt.Key)
	} else if opt.Key == nil {
		opt.Key, err = secret.LoadFile(file)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return r, backstay.Errorf(backstay.Invalid, "the key of the server is missing").WithHint("Give the one of the recovery kit with --key FILE, or the copy of secret.key that was kept.")
	}
	if err != nil {
		return r, err
	}
	location := opt.Database
	if location == "" {
		location = filepath.Join(opt.Data, "backstay.db")
	}
	check := func(head db.DumpHead) error {
		r.Made = head.Made
		return opens(opt.Key, head)
	}
	r.Rows, err = db.Load(ctx, location, backup, check, func(tx *db.Tx, head db.DumpHead) error { return app.AfterRestore(ctx, tx, head.Made, opt.Clock.Now()) })
	return r, explainLoad(err)
}

// emptyFolder refuses a folder that has more than what a restore itself puts there.
func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".key-") { // of one that was killed while it wrote the key
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
			continue
		}
		if !slices.Contains([]string{"secret.key", "backstay.db", "backstay.db-journal", "backstay.db-wal", "backstay.db-shm", "lost+found"}, e.Name()) {
			return backstay.Errorf(backstay.Conflict, "the folder %q is not empty: there is %q in it", dir, e.Name()).WithHint("Name another folder with --data. This one belongs to a server already.")
		}
	}
	return nil
}

// keepKey puts keys into a file, unless it has others.
func keepKey(file string, ring *secret.Ring) error {
	there, err := secret.LoadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ring.SaveFile(file)
	case err != nil:
		return err
	case there.Current().ID() != ring.Current().ID():
		return backstay.Errorf(backstay.Conflict, "%q holds another key than the one that was given", file).WithHint("Put it elsewhere, or name another folder with --data.")
	}
	return nil
}

// opens refuses keys that open nothing of a backup.
func opens(ring *secret.Ring, head db.DumpHead) error {
	if len(head.Keys) == 0 || slices.ContainsFunc(ring.Keys(), func(k secret.Key) bool { return k.ID() == head.Keys[0] }) {
		return nil
	}
	return backstay.Errorf(backstay.Invalid, "the secrets of the backup are sealed with key %s, and the one that was given is %s", head.Keys[0], ring.Current().ID()).
		WithHint("Give the key of the recovery kit, or the copy of secret.key that was kept.")
}

// explainLoad says what to do about a backup that is not restored.
func explainLoad(err error) error {
	switch {
	case errors.Is(err, db.ErrNotEmpty):
		return backstay.Errorf(backstay.Conflict, "restore the server: %w", err).WithHint("If a restore has just been done, start the server: 'backstay serve'. Otherwise name an empty folder with --data, or an empty database.")
	case errors.Is(err, db.ErrNewer):
		return backstay.Errorf(backstay.Invalid, "restore the server: %w", err).WithHint("Update Backstay to the version that made the backup, or a later one.")
	case errors.Is(err, db.ErrBadDump):
		return backstay.Errorf(backstay.Damaged, "restore the server: %w", err).WithHint("Nothing was restored. Name an earlier snapshot: 'backstay snapshots --tag " + ServerTag + "' lists them.")
	}
	return err
}
