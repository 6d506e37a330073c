package powercut

import (
	"context"
	"errors"
	"io"
	"path"

	"github.com/backstay/backstay/storage"
)

// hasty is a storage with a bug planted: it gives a file its name before the content is durable.
type hasty struct {
	storage.Backend
	disk *disk
}

// Save implements storage.Backend.
func (h hasty) Save(_ context.Context, name string, body storage.Body) error {
	name = path.Join(location, name)
	if err := h.disk.Mkdir(path.Dir(name)); err != nil {
		return err
	}
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		if err := h.disk.SyncDir(path.Dir(dir)); err != nil {
			return err
		}
	}
	f, err := h.disk.Create(name + ".tmp")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body.Open())
	if err == nil {
		err = h.disk.Rename(name+".tmp", name)
	}
	if err == nil {
		err = h.disk.SyncDir(path.Dir(name))
	}
	return errors.Join(err, f.Sync(), f.Close())
}
