package rest

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/backstay/backstay/storage"
)

// known are the names that the protocol has.
var known = regexp.MustCompile(`^(?:config|(?:keys|locks|snapshots|index)/[0-9a-f]{64}|data/[0-9a-f]{2}/[0-9a-f]{64})$`)

// id is the last element of each but config.
var id = regexp.MustCompile(`^[0-9a-f]{64}$`)

// folders are those that can be listed.
var folders = []string{"data", "keys", "locks", "snapshots", "index"}

// find returns where a server has the file of that name. A name that the protocol hasn't is one that isn't found.
func find(name string) (place string, err error) {
	if err := storage.CheckName(name); err != nil {
		return "", err
	}
	if !known.MatchString(name) {
		return "", fmt.Errorf("no file can have that name here: %w", storage.ErrNotFound)
	}
	file, found := strings.CutPrefix(name, "data/")
	if !found {
		return name, nil
	}
	folder, file, _ := strings.Cut(file, "/")
	if !strings.HasPrefix(file, folder) {
		return "", fmt.Errorf("no file can have that name here: %w", storage.ErrNotFound)
	}
	return "data/" + file, nil
}

// name returns the name of a file that a listing of a folder tells of; ok is false for what is no file of a repository, such as the
// temporary files that servers have.
func name(folder, file string) (name string, ok bool) {
	if !id.MatchString(file) {
		return "", false
	}
	if folder == "data" {
		return folder + "/" + file[:2] + "/" + file, true
	}
	return folder + "/" + file, true
}
