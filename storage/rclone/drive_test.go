package rclone_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/test/servers"
)

// listed returns the error of a listing.
func listed(t *testing.T, b storage.Backend, dir string) error {
	t.Helper()
	for _, err := range b.List(t.Context(), dir) {
		if err != nil {
			return err
		}
	}
	return nil
}

// wantSeveral fails the test unless the error says that a name is there more than once, and isn't taken for a file that isn't there.
func wantSeveral(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrExists) || !strings.Contains(err.Error(), "has several files or folders") {
		t.Errorf("%s = %v, want an error that says there are several", what, err)
	}
}

func TestTwoFilesOfOneNameInDriveAreAnError(t *testing.T) {
	d := servers.NewDrive(t)
	b := begun(t, rclone.Drive, oauthAt(d.OAuth, d.Double), d)
	for _, name := range []string{"keys/a", "keys/b"} {
		if err := b.Save(t.Context(), name, storage.Bytes([]byte("the first"))); err != nil {
			t.Fatal(err)
		}
	}
	d.Duplicate(t, "a", []byte("the other"))
	b = openDouble(t, rclone.Drive, oauthAt(d.OAuth, d.Double), d) // another program, that remembers nothing
	_, err := b.Stat(t.Context(), "keys/a")
	wantSeveral(t, "Stat", err)
	wantSeveral(t, "Load", b.Load(t.Context(), "keys/a", make([]byte, 1), 0))
	wantSeveral(t, "Save", b.Save(t.Context(), "keys/a", storage.Bytes([]byte("a third"))))
	wantSeveral(t, "Remove", b.Remove(t.Context(), "keys/a"))
	wantSeveral(t, "List", listed(t, b, "keys"))
	if err := b.Load(t.Context(), "keys/b", make([]byte, 9), 0); err != nil {
		t.Errorf("Load of a name that is there once: %v", err)
	}
}

func TestTwoFoldersOfOneNameInDriveAreAnError(t *testing.T) {
	for _, twice := range []string{"index", "ä", "the repository"} {
		d := servers.NewDrive(t)
		b := begun(t, rclone.Drive, oauthAt(d.OAuth, d.Double), d)
		if err := b.Save(t.Context(), "index/a", storage.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		d.Duplicate(t, twice, nil)
		b = openDouble(t, rclone.Drive, oauthAt(d.OAuth, d.Double), d)
		_, err := b.Stat(t.Context(), "index/a")
		wantSeveral(t, "Stat", err)
		_, err = b.Stat(t.Context(), "index/none")
		wantSeveral(t, "Stat of what is in neither", err)
		wantSeveral(t, "List", listed(t, b, "index"))
		wantSeveral(t, "Save", b.Save(t.Context(), "index/b", storage.Bytes([]byte("x"))))
	}
}

// Two programs look, see nothing, and rename at the same moment.
func TestANameTakenBetweenALookAndARenameInDriveIsGivenBack(t *testing.T) {
	d := servers.NewDrive(t)
	b := begun(t, rclone.Drive, oauthAt(d.OAuth, d.Double), d)
	if err := b.Save(t.Context(), "keys/other", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	d.Race(t, "keys", "a", []byte("the winner's"))
	err := b.Save(t.Context(), "keys/a", storage.Bytes([]byte("the loser's")))
	wantSeveral(t, "Save", err)
	if err := b.Save(t.Context(), "keys/a", storage.Bytes([]byte("the loser's"))); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Save again = %v, want ErrExists", err)
	}
	if got, err := storage.LoadAll(t.Context(), b, "keys/a"); err != nil || string(got) != "the winner's" {
		t.Errorf("LoadAll = %q, %v, want the winner's", got, err)
	}
}

// Two programs look, see no folder, and make one at the same moment.
func TestAFolderThatAnotherProgramMadeInDriveAtTheSameMomentIsUsed(t *testing.T) {
	d := servers.NewDrive(t)
	b := begun(t, rclone.Drive, oauthAt(d.OAuth, d.Double), d)
	if err := b.Save(t.Context(), "data/00/a", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	d.Race(t, "data", "01", nil)
	if err := b.Save(t.Context(), "data/01/b", storage.Bytes([]byte("y"))); err != nil {
		t.Errorf("Save into a folder that another program made: %v", err)
	}
	other := openDouble(t, rclone.Drive, oauthAt(d.OAuth, d.Double), d)
	if got, err := storage.LoadAll(t.Context(), other, "data/01/b"); err != nil || string(got) != "y" {
		t.Errorf("another program loads %q, %v", got, err)
	}
	if err := listed(t, other, "data"); err != nil {
		t.Errorf("List: %v", err)
	}
}

func TestAServiceAccountOpensDrive(t *testing.T) {
	t.Parallel()
	d := servers.NewDrive(t)
	v := settings.Values{"path": "backups", "service-account": d.ServiceAccount(t, "https://oauth2.googleapis.com/token"), "ca-certificate": d.CA}
	b := begun(t, rclone.Drive, v, d)
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err != nil {
		t.Error(err)
	}
	v["service-account"] = servers.NewDrive(t).ServiceAccount(t, "https://oauth2.googleapis.com/token") // signed by another key
	if _, err := openDouble(t, rclone.Drive, v, d).Stat(t.Context(), "config"); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Stat with the key of another account = %v, want ErrPermanent", err)
	}
}
