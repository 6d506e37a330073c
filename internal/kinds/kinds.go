// Package kinds knows all kinds of storage that this program can use.
//
// A location is how a user writes down where a repository lives: a scheme and a colon, then what the kind of storage makes
// of the rest; without a scheme it is a local folder. Open also puts the wrappers on: tries are repeated, rates
// limited, calls counted. Adding a kind is one line here.
package kinds

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/doctor"
	"github.com/backstay/backstay/internal/guard"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/storage/metrics"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/storage/rest"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/storage/s3"
	"github.com/backstay/backstay/storage/sftp"
	"github.com/backstay/backstay/storage/smb"
	"github.com/backstay/backstay/storage/webdav"
)

// ErrUnknown means that no kind of storage goes by the scheme of a location.
var ErrUnknown = errors.New("unknown kind of storage")

// unknown returns an error that wraps ErrUnknown.
func unknown(format string, args ...any) error {
	return doctor.Mark(fmt.Errorf("%w: "+format, append([]any{ErrUnknown}, args...)...), "storage-kind-unknown")
}

// Options say how a storage is used. The zero value is useful.
type Options struct {
	Settings settings.Values     // beside what stands in the location; "s3.region" is for locations of kind s3 only
	Getenv   func(string) string // environment variables that fields may come from; nil: none
	Upload   limit.Rate
	Download limit.Rate
	Retried  func(retry.Event) // told of each failed try that will be repeated; may be nil
	Clock    clock.Clock       // by default the system's
	Rand     io.Reader         // by default crypto/rand.Reader
	Home     string            // of the user, with files that fields may come from; "": none
	// Guard is for locations that people give who only reach this machine over the network: it says which addresses may be connected
	// to, and settings that name files and programs of this machine are refused. Nil: the user is at this machine.
	Guard *guard.Guard
	// Patience is how long what fails is tried again, and what stands still is waited for. By default as long as the options of retry have it.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o
}

func (o Options) retry() retry.Options {
	return retry.Options{Report: o.Retried, Clock: o.Clock, Rand: o.Rand, Total: o.Patience, Stall: o.Patience}
}

// dial makes the connections of an adapter.
func (o Options) dial() func(ctx context.Context, network, address string) (net.Conn, error) {
	if o.Guard == nil {
		return new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := o.Guard.Dial(ctx, network, address)
		if errors.Is(err, guard.ErrForbidden) {
			err = storage.Mark(err, storage.ErrPermanent) // no other try will do
		}
		return c, err
	}
}

// Storages lists every kind of storage.
func Storages() []storage.Provider {
	return []storage.Provider{
		local.Provider,
		s3.Provider,
		sftp.Provider,
		rest.Provider,
		rest.Rclone,
		webdav.Provider,
		smb.Provider,
		rclone.Azure,
		rclone.GS,
		rclone.B2,
		rclone.Drive,
		rclone.Dropbox,
		rclone.OneDrive,
	}
}

// Open returns the storage at a location, which counts what it is asked. Whether anything is there shows when it is first
// used. Errors name the scheme only, since the rest of a location may hold a password.
func Open(location string, opt Options) (*metrics.Backend, error) {
	opt = opt.withDefaults()
	b, err := OpenBare(location, opt)
	if err != nil {
		return nil, err
	}
	b = retry.New(b, opt.retry())
	b = limit.New(b, limit.Options{Upload: opt.Upload, Download: opt.Download, Clock: opt.Clock})
	return metrics.New(b, opt.Clock), nil
}

// Browse opens the place at a location to back up what is in its folders. The error wraps ErrUnknown where the kind of storage shows none.
func Browse(location string, opt Options) (storage.Browser, error) {
	opt = opt.withDefaults()
	b, err := OpenBare(location, opt)
	if err != nil {
		return nil, err
	}
	browser, ok := b.(storage.Browser)
	if !ok {
		scheme, _ := split(location)
		return nil, unknown("folders of %q can't be backed up from there", scheme)
	}
	limited := limit.New(b, limit.Options{Download: opt.Download, Clock: opt.Clock})
	return retry.NewBrowser(limitedBrowser{browser, limited}, opt.retry()), nil
}

// limitedBrowser is a browser whose downloads are limited.
type limitedBrowser struct {
	storage.Browser
	limited storage.Backend
}

func (b limitedBrowser) Load(ctx context.Context, name string, p []byte, offset int64) error {
	return b.limited.Load(ctx, name, p, offset)
}

// OpenBare returns the storage at a location without wrappers.
func OpenBare(location string, opt Options) (storage.Backend, error) {
	opt = opt.withDefaults()
	scheme, rest := split(location)
	p, v, err := read(scheme, rest, opt)
	var b storage.Backend
	if err == nil {
		b, err = p.Open(v, storage.Env{Clock: opt.Clock, Rand: opt.Rand, Dial: opt.dial()})
	}
	if err != nil {
		return nil, fmt.Errorf("open storage of kind %q: %w", scheme, err)
	}
	return b, nil
}

// read returns the kind of storage of a location, and its checked settings.
func read(scheme, rest string, opt Options) (storage.Provider, settings.Values, error) {
	p, err := find(scheme)
	if err != nil {
		return p, nil, err
	}
	v, err := p.Parse(rest)
	if err != nil {
		return p, nil, err
	}
	if v, err = complete(p, v, opt); err != nil {
		return p, nil, err
	}
	v, err = settings.Check(Fields(p), v)
	return p, v, err
}

// Fields returns the settings of a kind, and those that all have.
func Fields(p storage.Provider) []settings.Field {
	return append(slices.Clip(p.Fields), settings.Field{Name: "connections", Title: "Connections", Kind: settings.Number,
		Help: "How many files are transferred at once; each takes as much memory as a pack.", Default: strconv.Itoa(max(p.Connections, 2))})
}

// Connections returns how many files are to be transferred at once, as the settings say or the kind of storage has it.
func Connections(location string, opt Options) (int, error) {
	scheme, rest := split(location)
	_, v, err := read(scheme, rest, opt)
	if err != nil {
		return 0, fmt.Errorf("open storage of kind %q: %w", scheme, err)
	}
	return int(min(max(v.Int("connections"), 1), 256)), nil
}

// ErrSecretInLocation means that a location holds a password, which is to be given as a setting: locations are shown.
var ErrSecretInLocation = errors.New("the location holds a secret")

// WithinLocation returns the names of the fields that a location of this kind says, in their order: those that its form shows, but for secrets.
func WithinLocation(p storage.Provider) (names []string) {
	_, rest := split(strings.Replace(p.Form, "PORT", "1", 1))
	v, err := p.Parse(rest)
	if err != nil {
		return nil // a test sees to it that each form is one
	}
	for _, f := range p.Fields {
		if v[f.Name] != "" && !f.IsSecret() {
			names = append(names, f.Name)
		}
	}
	return names
}

// Check returns the settings of the kind of storage at a location, or what is wrong with those that were given. Nothing is connected to.
func Check(location string, opt Options) ([]settings.Field, error) {
	opt = opt.withDefaults()
	scheme, rest := split(location)
	p, _, err := read(scheme, rest, opt)
	if err != nil {
		return nil, fmt.Errorf("storage of kind %q: %w", scheme, err)
	}
	v, err := p.Parse(rest)
	if err != nil {
		return nil, fmt.Errorf("storage of kind %q: %w", scheme, err)
	}
	for _, f := range Fields(p) {
		if f.IsSecret() && v[f.Name] != "" {
			return nil, fmt.Errorf("%w: give it as setting %q", ErrSecretInLocation, f.Name)
		}
	}
	return Fields(p), nil
}

// find returns the kind of storage that goes by a scheme.
func find(scheme string) (storage.Provider, error) {
	var known []string
	for _, p := range Storages() {
		if p.Kind == scheme {
			return p, nil
		}
		known = append(known, p.Kind+":")
	}
	return storage.Provider{}, unknown("known are %s and plain paths", strings.Join(known, ", "))
}

// Of returns the kind of storage of a location.
func Of(location string) (storage.Provider, error) {
	scheme, _ := split(location)
	return find(scheme)
}

// Field returns the setting of a name, such as "s3.region", or "region" of the first kind that has it.
func Field(name string) (f settings.Field, ok bool) {
	kind, of, found := strings.Cut(name, ".")
	for _, p := range Storages() {
		for _, f := range Fields(p) {
			if f.Name == name || found && p.Kind == kind && f.Name == of {
				return f, true
			}
		}
	}
	return f, false
}

// withPassword is what a URL looks like in which a password stands, also one with the characters that it should not have there. What
// looks like a port is one.
var (
	withPassword = regexp.MustCompile(`//([^/:@]*):.*@`)
	withoutIt    = regexp.MustCompile(`^[^/]*//[^/:@]*(:\d*)?(/|$)`)
)

// Shown returns a location as it may be shown: a password in it is replaced by stars.
func Shown(location string) string {
	if scheme, rest := split(location); scheme == local.Provider.Kind || withoutIt.MatchString(rest) {
		return location
	}
	return withPassword.ReplaceAllString(location, "//$1:***@")
}

// SnapshotPath returns what a snapshot calls the path of a folder at a location: the same for the same place, with no password in it.
func SnapshotPath(location string) string {
	scheme, rest := split(Shown(location))
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "https://"), "http://")
	return path.Join("/", scheme, strings.ReplaceAll(rest, ":***@", "@"))
}

// complete adds to the values of a location those that were given beside it, and those of the environment where there are none.
func complete(p storage.Provider, v settings.Values, opt Options) (settings.Values, error) {
	all := make(settings.Values)
	maps.Copy(all, v)
	for name, value := range opt.Settings {
		if kind, of, found := strings.Cut(name, "."); found {
			if kind != p.Kind {
				continue
			}
			name = of
		}
		if all[name] != "" {
			return nil, fmt.Errorf("setting %q is given twice: once is enough, in the location or beside it", name)
		}
		all[name] = value
	}
	for _, f := range Fields(p) {
		if all[f.Name] == "" {
			all[f.Name] = found(f, opt)
		}
		if f.Local && opt.Guard != nil && all[f.Name] != "" {
			return nil, &settings.Error{Field: f, Why: "it names something of the machine that Backstay runs on, which only its administrator may use"}
		}
	}
	return all, owned(p, all, opt)
}

// owned refuses settings by which people who only reach this machine over the network would use what it is or has.
func owned(p storage.Provider, v settings.Values, opt Options) error {
	if opt.Guard == nil || p.Own == nil {
		return nil
	}
	name := p.Own(v)
	i := slices.IndexFunc(p.Fields, func(f settings.Field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &settings.Error{Field: p.Fields[i], Why: "what the machine that Backstay runs on has of that kind only its administrator may use: give the key itself"}
}

// found returns the value of a field from the environment or the user's home.
func found(f settings.Field, opt Options) string {
	for _, name := range f.Env {
		if opt.Getenv == nil {
			break
		}
		if value := opt.Getenv(name); value != "" {
			return value
		}
	}
	for _, name := range f.Home {
		if opt.Home == "" {
			break
		}
		file := filepath.Join(opt.Home, name)
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// split takes a location apart. What starts like a path is one, also with a colon in it.
func split(location string) (scheme, rest string) {
	scheme, rest, found := strings.Cut(location, ":")
	if !found || strings.ContainsAny(scheme, `/\`) || len(scheme) < 2 { // C:\ is a path
		return local.Provider.Kind, location
	}
	return scheme, rest
}

// Sweep removes what killed processes have left at a location, once it is a day old. Many kinds of storage have nothing of that sort.
func Sweep(ctx context.Context, location string, opt Options) error {
	b, err := OpenBare(location, opt)
	if err != nil {
		return err
	}
	if sweeper, ok := b.(storage.Sweeper); ok {
		return sweeper.Sweep(ctx)
	}
	return nil
}

// LocalPath returns the path of a location in a local folder; ok is false for one of another kind.
func LocalPath(location string) (path string, ok bool) {
	scheme, rest := split(location)
	return rest, scheme == local.Provider.Kind
}
