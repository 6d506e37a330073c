// Package app is what people and programs can do with Backstay: the use cases, one file for each noun.
//
// A use case asks whether the actor may, does it in a transaction and writes the audit event, all or nothing. A refusal is answered
// and written, too. Doors (the API, the pages, the clock) call nothing else. Task is a use case at work; a Noun has the five use cases that
// all nouns have alike.
//
// The invariant: nothing is read or changed before Decide said yes, and no change is without its event.
package app

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/catalog"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/storage"
)

// Options are what the application is handed.
type Options struct {
	DB       *db.DB
	Clock    clock.Clock
	Rand     io.Reader
	Log      *slog.Logger // of what can't be answered to anybody
	Hasher   *auth.Hasher
	Init     Init         // by default repo.Init
	Ring     *secret.Ring // the keys outside of the database
	Places   Places
	Catalog  *catalog.Catalog
	Speakers Speakers
	RunEnded func(backstay.Run) // is told of each run that this process ended; may be nil
	Address  func() string      // where the server is reached, until its settings say it
	Data     string             // the folder of the server, for caches
	Hostname string             // as snapshots say it
	Version  string             // of the program, as snapshots say it

	Receivers   Receivers
	Certificate func() (backstay.Certificate, bool) // what this process shows by TLS; false for none; may be nil
	Breaches    auth.Breaches                       // where new passwords are looked up, if the settings say so
}

// Init makes a repository, as repo.Init does.
type Init func(ctx context.Context, b storage.Backend, password string, opt repo.Options, init repo.InitOptions) (*repo.Repo, error)

// App holds the use cases. Its methods may be called from any goroutine.
type App struct {
	Options
	Users        *Noun[backstay.User, *backstay.User]
	Groups       *Noun[backstay.Group, *backstay.Group]
	Roles        *Noun[backstay.Role, *backstay.Role]
	Grants       *Noun[backstay.Grant, *backstay.Grant]
	Projects     *Noun[backstay.Project, *backstay.Project]
	Sources      *Noun[backstay.Source, *backstay.Source]
	Modules      *Noun[backstay.Module, *backstay.Module]
	Storages     *Noun[backstay.Storage, *backstay.Storage]
	Repositories *Noun[backstay.Repository, *backstay.Repository]
	Plans        *Noun[backstay.Plan, *backstay.Plan]
	Runs         *Noun[backstay.Run, *backstay.Run]
	Snapshots    *Noun[backstay.Snapshot, *backstay.Snapshot]
	Channels     *Noun[backstay.Channel, *backstay.Channel]
	Rules        *Noun[backstay.NotificationRule, *backstay.NotificationRule]
	Deliveries   *Noun[backstay.Delivery, *backstay.Delivery]
	Alerts       *Noun[backstay.Alert, *backstay.Alert]
	Sinks        *Noun[backstay.AuditSink, *backstay.AuditSink]
	Restores     *Noun[backstay.Restore, *backstay.Restore]

	IdentityProviders *Noun[backstay.IdentityProvider, *backstay.IdentityProvider]

	box              *secret.Box
	watch            watch
	openRepositories library
	news             newsroom
	touched          touched
	issuers          issuers
	claim            auth.Digest // of the code that makes the first account; "" once there is one
}

// New puts the use cases together.
func New(opt Options) *App {
	if opt.Init == nil {
		opt.Init = repo.Init
	}
	a := &App{Options: opt, box: secret.NewBox(opt.Ring, opt.Rand)}
	a.Users, a.Groups, a.Roles, a.Grants, a.Projects = a.users(), a.groups(), a.roles(), a.grants(), a.projects()
	a.Sources, a.Modules, a.Storages, a.Repositories = a.sources(), a.modules(), a.storages(), a.repositories()
	a.Plans, a.Runs, a.Snapshots = a.plans(), a.runs(), a.snapshots()
	a.Channels, a.Rules, a.Deliveries, a.Alerts = a.channels(), a.rules(), a.deliveries(), a.alerts()
	a.Restores = a.restores()
	a.Sinks = a.sinks()
	a.IdentityProviders = a.identityProviders()
	return a
}

// now is the time as the database keeps it: UTC, to the microsecond.
func (a *App) now() time.Time { return a.Clock.Now().UTC().Truncate(time.Microsecond) }

var idForm = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// newID returns an id that nobody can guess.
func (a *App) newID() string {
	var b [10]byte
	a.random(b[:])
	return idForm.EncodeToString(b[:])
}

// random fills p. Without randomness nothing is safe, so there is no going on.
func (a *App) random(p []byte) {
	if _, err := io.ReadFull(a.Rand, p); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err))
	}
}

// label is how a thing is named to people: by its name where it has one.
func label(kind, name string) string {
	if name == "" {
		return kind
	}
	return fmt.Sprintf("%s %q", kind, strings.ToValidUTF8(name, "\uFFFD"))
}
