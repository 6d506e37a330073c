package app

import (
	"context"
	"encoding/base32"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
)

func (a *App) repositories() *Noun[backstay.Repository, *backstay.Repository] {
	return &Noun[backstay.Repository, *backstay.Repository]{app: a, Kind: "repository", Read: backstay.ReadSources, Manage: backstay.ManageRepository, Erase: backstay.DeleteRepository, Filters: []string{"storage"},
		name: func(r *backstay.Repository) string { return r.Name },
		prepare: func(_ *task, r, old *backstay.Repository) error {
			if old != nil && (r.Storage != old.Storage || r.Path != old.Path) {
				return backstay.Errorf(backstay.Invalid, "a repository stays where it is").WithHint("Make another one there, and copy the snapshots.").OnField("storage")
			}
			r.Password, r.Adopt = "", false
			return r.Check()
		},
		remove: func(t *task, r *backstay.Repository) error {
			return errors.Join(t.unplanned("repositories", r.ID), t.notServers(r.ID))
		},
	}
}

func repositoryPlace(id string) secret.Place {
	return secret.Place{Table: "repositories", Row: id, Column: "sealed"}
}

// within is the place of a folder within a storage.
func (p Place) within(path string) Place {
	if path != "" {
		p.Location = strings.TrimSuffix(p.Location, "/") + "/" + path
	}
	return p
}

// CreateRepository makes a repository in a storage, or takes over one that is there. Its files stay in the storage if it can't be
// recorded afterwards: then it is taken over by the next try.
func (a *App) CreateRepository(ctx context.Context, who backstay.Actor, v backstay.Repository) (made backstay.Repository, err error) {
	v.Path = strings.Trim(v.Path, "/")
	var p Place
	err = a.look(ctx, who, "repository.created", func(t *task) error {
		t.on("repository", "", v.Name)
		scope := backstay.ProjectScope(v.Project).Of("repository", "new")
		if err := t.allow(backstay.ManageRepository, scope, ""); err != nil {
			return err
		}
		if err := v.Check(); err != nil {
			return err
		}
		s, place, err := t.placeOfStorage(v.Storage)
		if err == nil && s.Project != v.Project {
			err = db.ErrNotFound
		}
		p = place.within(v.Path)
		return missing(err, "storage", "storage")
	})
	if err != nil {
		return made, err
	}
	password := v.Password
	if password == "" && v.Adopt {
		return made, backstay.Errorf(backstay.Invalid, "an existing repository has a password").OnField("password")
	}
	if password == "" {
		password = a.newRepositoryPassword()
	}
	r, err := a.initOrOpen(ctx, p, password, v.Adopt)
	if err != nil {
		return made, storageError(err)
	}
	made = backstay.Repository{Placed: backstay.Placed{Project: v.Project, Owner: who.User}, Name: v.Name, Storage: v.Storage, Path: v.Path,
		Format: r.Config().ID.String(), VerifyDays: v.VerifyDays}
	err = a.change(ctx, who, "repository.created", func(t *task) error {
		a.stamp(made.Base())
		made.Scope = backstay.ProjectScope(v.Project).Of("repository", made.ID)
		t.on("repository", made.ID, made.Name)
		if err := t.allow(backstay.ManageRepository, made.Scope, who.User); err != nil {
			return err
		}
		if v.Adopt {
			t.event.Action = "repository.adopted"
		}
		if made.Sealed, err = a.seal(repositoryPlace(made.ID), secret.New(password)); err != nil {
			return err
		}
		if err := db.Insert(ctx, t.tx, &made); err != nil {
			return err
		}
		return t.changed(nil, made)
	})
	return made, err
}

// newRepositoryPassword is one that nobody guesses and a person can copy from paper: 160 bits in groups.
func (a *App) newRepositoryPassword() string {
	var b [20]byte
	a.random(b[:])
	text := strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
	var groups []string
	for ; len(text) > 0; text = text[4:] {
		groups = append(groups, text[:4])
	}
	return strings.Join(groups, "-")
}

func (a *App) initOrOpen(ctx context.Context, p Place, password string, adopt bool) (*repo.Repo, error) {
	p.Patience = personPatience
	b, connections, err := a.Places.OpenStorage(p)
	if err != nil {
		return nil, err
	}
	opt := a.repoOptions(connections, nil)
	if adopt {
		return repo.Open(ctx, b, password, opt)
	}
	return a.Init(ctx, b, password, opt, repo.InitOptions{})
}

func (a *App) repoOptions(connections int, report progress.Func) repo.Options {
	return repo.Options{Connections: connections, Clock: a.Clock, Rand: a.Rand, Progress: report,
		LockDir: filepath.Join(a.Data, "locks"), CacheDir: filepath.Join(a.Data, "cache")}
}

// opened is a repository that a run works on.
type opened struct {
	*repo.Repo
	record  backstay.Repository
	storage storage.Backend
}

// openOptions say how a repository is opened. The zero value is useful.
type openOptions struct {
	compression string // of new data
	upload      string // the plan's own limit, as people write it
	progress    progress.Func
	patience    time.Duration // with a storage that isn't there, as Place has it
}

// openRepository opens a stored repository. Who may have it opened was asked before.
func (a *App) openRepository(ctx context.Context, id string, how openOptions) (*opened, error) {
	r, p, password, err := a.placeOfRepository(ctx, id)
	if err != nil {
		return nil, err
	}
	return a.openAt(ctx, r, p, password, how)
}

// placeOfRepository is where a stored repository is, and its password.
func (a *App) placeOfRepository(ctx context.Context, id string) (r backstay.Repository, p Place, password secret.Text, err error) {
	err = a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		t := &task{app: a, ctx: ctx, tx: tx}
		if r, err = db.Find[backstay.Repository](ctx, tx, id); err != nil {
			return err
		}
		if _, p, err = t.placeOfStorage(r.Storage); err != nil {
			return err
		}
		password, err = a.open(repositoryPlace(r.ID), r.Sealed)
		return err
	})
	if err != nil {
		return r, p, password, explain(err, "repository")
	}
	return r, p.within(r.Path), password, nil
}

// openAt opens a repository at its place.
func (a *App) openAt(ctx context.Context, r backstay.Repository, p Place, password secret.Text, how openOptions) (*opened, error) {
	if how.upload != "" {
		p.Upload = how.upload
	}
	p.Patience = how.patience
	b, connections, err := a.Places.OpenStorage(p)
	if err != nil {
		return nil, err
	}
	opt := a.repoOptions(connections, how.progress)
	if how.compression != "" {
		if opt.Compression, err = repo.ParseCompression(how.compression); err != nil {
			return nil, err
		}
	}
	open, err := repo.Open(ctx, b, password.Reveal(), opt)
	if err != nil {
		return nil, err
	}
	return &opened{open, r, b}, nil
}
