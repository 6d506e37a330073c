package storage

import (
	"context"
	"io"
	"net"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
)

// Provider is a kind of storage, told once: forms, flags, the API and the reference are made of it.
type Provider struct {
	Kind   string // the scheme of its locations, such as "sftp"
	Title  string // such as "SFTP server"
	Form   string // how a location of it is written, such as "sftp:USER@HOST:/PATH"
	Fields []settings.Field
	// Parse reads the part of a location that follows the scheme and its colon. It returns the values that stand in there,
	// unchecked. Its error says nothing of secrets that may stand in there too.
	Parse func(rest string) (settings.Values, error)
	// Open returns the Backend for checked values. It asks nobody: whether anything is there shows when it is first used.
	Open func(v settings.Values, env Env) (Backend, error)
	// Own names the setting because of which, or for lack of which, what this machine itself is or has would be used: the identity that a
	// cloud gave it, a file with keys. It is "" if nothing is. Nil: only settings that are Local do so.
	Own func(v settings.Values) (field string)
	// Connections is how many files are uploaded, and loaded, at once where nobody says otherwise; 0: as few as a disk needs.
	Connections int
	// Lacks are the promises of storagetest that this kind can't keep. The engine works all the same.
	Lacks []Lack
}

// Lack is a promise that a kind of storage can't keep.
type Lack struct {
	Promise string // the sentence in storagetest
	Why     string // a sentence, with what follows from it
}

// Env is what an adapter gets from the program around it.
type Env struct {
	Clock clock.Clock
	Rand  io.Reader
	// Dial makes every connection of the adapter, so that one place says which addresses may be reached.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}
