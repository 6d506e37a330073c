package local

import (
	"io"
	"io/fs"
	"iter"
)

// FS is a file system, as much of it as a Backend needs. Paths are those of the operating system. Errors answer to
// errors.Is for fs.ErrExist, fs.ErrNotExist and fs.ErrPermission, and for errors.ErrUnsupported where the file system
// has no such operation. All methods may be called from several goroutines at once.
type FS interface {
	// Create makes a new file to be written by its owner, and fails with fs.ErrExist where the name is taken.
	Create(path string) (File, error)
	// Open opens a file for reading.
	Open(path string) (File, error)
	// Stat follows symbolic links.
	Stat(path string) (fs.FileInfo, error)
	// Rename gives a file another name in the same folder. It fails with fs.ErrExist where that name is taken, also
	// when another process takes it at the same moment, if the file system can tell. A Backend never calls it twice
	// at a time.
	Rename(from, to string) error
	// Chmod sets the permissions of a file.
	Chmod(path string, mode fs.FileMode) error
	// Remove deletes a file.
	Remove(path string) error
	// Mkdir makes a folder for its owner only. It may return nil for one that is there already.
	Mkdir(path string) error
	// ReadDir yields the names in a folder, in any order, reading on as the loop goes on. An error is the last
	// element.
	ReadDir(path string) iter.Seq2[string, error]
	// SyncDir makes the names in a folder durable.
	SyncDir(path string) error
}

// File is an open file, for writing from Create or for reading from Open.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
	// Sync makes the content durable. After an error the content is lost for good: another Sync proves nothing.
	Sync() error
}
