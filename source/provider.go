package source

import (
	"context"
	"iter"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/settings"
)

// Provider is how a kind of source describes itself. Forms, the schema of the API and the reference are made from it.
type Provider struct {
	Kind   string // as in the API: lower case
	Title  string // as in forms
	Help   string // a sentence: what it backs up
	Fields []settings.Field
	// Local says that it reads what is on the machine that Backstay runs on, which is not everybody's to read.
	Local bool
	// Open returns the source by checked values. Nothing is read yet.
	Open func(v settings.Values, part Part, env Env) (Source, error)
	// Paths are what the snapshots of the source say as their paths; they are the same for each part.
	Paths func(v settings.Values, env Env) []string
}

// Part says what of a source is backed up. The zero Part is all of it.
type Part struct {
	Paths    []string // only these and what is in them
	Excludes []string // patterns of what is left out
	Without  []string // paths that are left out with what is in them, such as that of the repository that is written to
}

// Env is what a source is handed.
type Env struct {
	Clock  clock.Clock
	Notice func(text string) // told what a person should know
	// Browse opens a folder behind a server.
	Browse func(location string, v settings.Values) (Folder, error)
	// Exclude makes patterns a question about a path, asked in tree order.
	Exclude func(patterns []string) (func(path string, dir bool) bool, error)
	// Path is what snapshots of the folder at a location say as its path.
	Path func(location string) string
}

// Folder is a place behind a server. Its methods may be called from any goroutine.
type Folder interface {
	// ReadDir yields what is directly in a folder, "." for the top, in any order. An error is the last element.
	ReadDir(ctx context.Context, dir string) iter.Seq2[entry.Meta, error]
	// Lookup tells the same of one file.
	Lookup(ctx context.Context, name string) (entry.Meta, error)
	// Load fills p with the bytes of a file from offset on, or returns an error.
	Load(ctx context.Context, name string, p []byte, offset int64) error
}
