// Package entry holds what flows from a source into a repository and back: the Entry, and in plan.go the Plan of a
// restore with its Changes.
//
// An entry is one name in a tree: a file, a directory, a link, a device. Entries travel in tree order: depth first, a
// directory before what it holds, the names within a directory ascending by their raw bytes, and never back into a
// directory once left. Nothing here does I/O.
package entry

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"time"
)

// Type says what kind of thing an entry is; the words are those of the restic format.
type Type string

// The types that are backed up. Sockets are recorded but never restored.
const (
	File    Type = "file"
	Dir     Type = "dir"
	Symlink Type = "symlink"
	Device  Type = "dev"
	CharDev Type = "chardev"
	Fifo    Type = "fifo"
	Socket  Type = "socket"
)

// Attribute is one extended attribute. POSIX ACLs are attributes too (system.posix_acl_access).
type Attribute struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// Meta is what is known of an entry besides its content. Name to DeviceID are what one lstat gives; LinkTarget and
// Attributes cost calls of their own, so a source leaves them empty and hands them out by Content.
type Meta struct {
	Name       string // the last element of the path, any bytes but '/' and NUL
	Type       Type
	Mode       fs.FileMode // Go's bits: type, permissions, setuid, setgid, sticky
	Size       uint64      // bytes; 0 for all but files
	ModTime    time.Time
	AccessTime time.Time // equal to ModTime unless access times were asked for
	ChangeTime time.Time
	UID, GID   uint32
	User       string // name of UID, "" where it has none
	Group      string
	Inode      uint64
	DeviceID   uint64 // of the file system that holds it
	Links      uint64 // number of hard links; 0 for directories, fifos and sockets
	Device     uint64 // device number of a Device or CharDev

	LinkTarget string // of a Symlink, raw bytes
	Attributes []Attribute
	Generic    map[string]json.RawMessage // attributes of other systems (Windows), kept as they are
}

// Entry is one name in a tree and the way to the rest of it.
type Entry struct {
	Path string // slash-separated, without a leading slash, "" never: "home/u/notes.txt". Its last element is Name.
	Meta
	Content Content // never nil from a source; from a repository it is what Contents takes back
}

// Content is what one lstat doesn't tell of an entry. Its methods may be called from any goroutine until the view that
// the entry came from is closed.
type Content interface {
	// Open returns the bytes of a File. The reader's Close is called once. It may be a FileReader.
	Open(ctx context.Context) (io.ReadCloser, error)
	// LinkTarget returns where a Symlink points, raw bytes.
	LinkTarget() (string, error)
	// Attributes returns the extended attributes, in the order in which the system lists them, as restic keeps them; nil
	// where there are none or the file system has none. With an error it returns those that could be read.
	Attributes() ([]Attribute, error)
}

// Sparse is a file whose holes are known.
type Sparse interface {
	// NextData returns where the next byte at or after offset stands that isn't in a hole, or the size of the file if none
	// does: what is before it reads as zeros. Where holes can't be told, or offset is behind the end, it returns offset.
	NextData(offset int64) (int64, error)
}

// FileReader is a reader that knows more of its file than the bytes. Like those of any reader its methods are called one
// at a time.
type FileReader interface {
	io.ReadCloser
	Sparse
	// SkipTo makes offset, which is not before what was read, the place that is read next.
	SkipTo(offset int64)
	// Changed reports, once all was read, whether the file has changed since its entry was made: what was read may then
	// be a mixture of old and new.
	Changed() (bool, error)
}
