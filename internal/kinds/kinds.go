// Package kinds knows all kinds of storage that this program can use.
//
// A location is how a user writes down where a repository lives: a scheme and a colon, then what the kind of storage makes
// of the rest; without a scheme it is a local folder. Open also puts the wrappers on: tries are repeated, rates
// limited, calls counted. Adding a kind is one line here.
package kinds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/storage/metrics"
	"github.com/backstay/backstay/storage/retry"
)

// ErrUnknown means that no kind of storage goes by the scheme of a location.
var ErrUnknown = errors.New("unknown kind of storage")

// Options say how a storage is used. The zero value is useful.
type Options struct {
	Upload   int64             // bytes per second; 0: no limit
	Download int64             // bytes per second; 0: no limit
	Retried  func(retry.Event) // told of each failed try that will be repeated; may be nil
	Clock    clock.Clock       // by default the system's
	Rand     io.Reader         // by default crypto/rand.Reader
}

// Open returns the storage at a location, which counts what it is asked. Whether anything is there shows when it is first
// used. Errors name the scheme only, since the rest of a location may hold a password.
func Open(location string, opt Options) (*metrics.Backend, error) {
	if opt.Clock == nil {
		opt.Clock = clock.System
	}
	scheme, rest := split(location)
	open, ok := storages()[scheme]
	if !ok {
		known := slices.Sorted(maps.Keys(storages()))
		return nil, fmt.Errorf("open storage of kind %q: %w: known are %s: and plain paths", scheme, ErrUnknown, strings.Join(known, ":, "))
	}
	b, err := open(rest, opt)
	if err != nil {
		return nil, fmt.Errorf("open storage of kind %q: %w", scheme, err)
	}
	b = retry.New(b, retry.Options{Report: opt.Retried, Clock: opt.Clock, Rand: opt.Rand})
	b = limit.New(b, limit.Options{Upload: opt.Upload, Download: opt.Download, Clock: opt.Clock})
	return metrics.New(b, opt.Clock), nil
}

// storages lists every kind of storage by its scheme.
func storages() map[string]func(rest string, opt Options) (storage.Backend, error) {
	return map[string]func(string, Options) (storage.Backend, error){
		"local": openLocal,
	}
}

// split takes a location apart. What starts like a path is one, also with a colon in it.
func split(location string) (scheme, rest string) {
	scheme, rest, found := strings.Cut(location, ":")
	if !found || strings.ContainsAny(scheme, `/\`) || len(scheme) < 2 { // C:\ is a path
		return "local", location
	}
	return scheme, rest
}

func openLocal(dir string, opt Options) (storage.Backend, error) {
	if dir == "" {
		return nil, errors.New("the path is empty")
	}
	return local.New(local.OS{}, dir, local.Options{Clock: opt.Clock, Rand: opt.Rand}), nil
}

// Sweep removes the temporary files that killed processes have left at a location, once they are a day old. Where the kind of storage
// has none there is nothing to do.
func Sweep(ctx context.Context, location string, opt Options) error {
	dir, ok := LocalPath(location)
	if !ok {
		return nil
	}
	return local.New(local.OS{}, dir, local.Options{Clock: opt.Clock}).Sweep(ctx)
}

// LocalPath returns the path of a location in a local folder; ok is false for one of another kind.
func LocalPath(location string) (path string, ok bool) {
	scheme, rest := split(location)
	return rest, scheme == "local"
}
