package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/settings"
)

// RecoveryKit is what somebody needs to restore without this server: it is for paper, and a safe.
type RecoveryKit struct {
	Version int // counts the kits of this server
	Made    time.Time
	By      string
	Server  string    // its name
	Secrets bool      // those of storages are in it
	Keys    []string  // that secrets in the server's database are sealed with, the current one first; none for who may not have all of a kit
	Own     *KitEntry // the repository with the server's backups of itself; nil if there is none, or no key
	Entries []KitEntry
}

// KitEntry is one repository of the kit.
type KitEntry struct {
	Project, Name string
	Location      string // as restic's -r takes it
	Password      string
	Snapshots     int64
	Settings      []KitSetting // what the storage needs beside its location
}

// KitSetting is one setting of a storage.
type KitSetting struct {
	Name, Title string
	Env         string // the variable of the environment that restic and backstay take it from; "" if there is none
	Value       string // "" if it is secret and secrets are not in the kit
	Secret      bool
}

// KitState says whether the kit that somebody has is good still.
type KitState struct {
	Version    int        `json:"version" doc:"Of the newest kit; 0: none was ever made"`
	ExportedAt *time.Time `json:"exported_at,omitempty"`
	ExportedBy string     `json:"exported_by,omitempty"`
	OutOfDate  bool       `json:"out_of_date" doc:"A repository is new or has another place since, or the key of the server is new, or where it is backed up to"`
	Missing    []string   `json:"missing" doc:"The names of what that is"`
	AcceptedBy string     `json:"accepted_by,omitempty" doc:"Who took the risk of being without a kit for all that is missing"`
	AcceptedAt *time.Time `json:"accepted_at,omitempty"`
}

// kitMemory is what the server remembers of the kits that were made.
type kitMemory struct {
	Version int               `json:"version"`
	At      time.Time         `json:"at"`
	By      string            `json:"by"`
	Has     map[string]string `json:"has"` // what of each repository stands in a kit, as a hash
	// Who took the risk of being without a kit, and for what, as Has has it.
	AcceptedBy string            `json:"accepted_by,omitempty"`
	AcceptedAt time.Time         `json:"accepted_at,omitzero"`
	Accepted   map[string]string `json:"accepted,omitempty"`
}

func recallKit(ctx context.Context, tx *db.Tx) (m kitMemory, err error) {
	m.Has = map[string]string{}
	text, err := tx.Recall(ctx, "recovery-kit")
	if errors.Is(err, db.ErrNotFound) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &m)
	}
	return m, err
}

// kitHash changes with all that a kit says of a repository.
func kitHash(r backstay.Repository, s backstay.Storage) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []any{r.Format, s.Location, r.Path, s.Settings, s.Version}))
	return hex.EncodeToString(sum[:])
}

// serverKit is what a kit has of the server itself, beside the ids of repositories.
const serverKit = "server"

// serverKitHash changes with all that a kit says of the server itself.
func (a *App) serverKitHash(set backstay.Settings) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []any{a.Ring.Current().ID(), set.BackupRepository}))
	return hex.EncodeToString(sum[:])
}

// allOver reports whether the actor has a permission everywhere, and is denied it nowhere.
func (t *task) allOver(p backstay.Permission) bool {
	_, denied := backstay.ReachOf(t.who, p)
	return len(denied) == 0 && backstay.Decide(t.who, p, backstay.Everywhere, "").Allowed
}

// RecoveryKitState says whether there is a kit with all repositories that the actor manages.
func (a *App) RecoveryKitState(ctx context.Context, who backstay.Actor) (state KitState, err error) {
	state.Missing = []string{}
	err = a.look(ctx, who, "recoverykit.read", func(t *task) error {
		if err := t.allowAnywhere(backstay.ManageRepository); err != nil {
			return err
		}
		m, err := recallKit(ctx, t.tx)
		if err != nil {
			return err
		}
		if m.Version > 0 {
			state.Version, state.ExportedAt, state.ExportedBy = m.Version, &m.At, m.By
		}
		accepted := true
		missing, err := t.kitMissing(m)
		for _, what := range missing {
			state.Missing = append(state.Missing, what.name)
			accepted = accepted && m.Accepted[what.id] == what.hash
		}
		if accepted && len(missing) > 0 {
			state.AcceptedBy, state.AcceptedAt = m.AcceptedBy, &m.AcceptedAt
		}
		return err
	})
	state.OutOfDate = len(state.Missing) > 0
	return state, err
}

// kitPart is something that a kit is to have.
type kitPart struct{ id, name, hash string }

// kitMissing lists what the kits so far lack of all that the actor manages.
func (t *task) kitMissing(m kitMemory) (missing []kitPart, err error) {
	set, err := t.tx.Settings(t.ctx)
	if err != nil {
		return nil, err
	}
	if hash := t.app.serverKitHash(set); t.allOver(backstay.ManageSystem) && m.Has[serverKit] != hash {
		missing = append(missing, kitPart{serverKit, "the key of the server", hash})
	}
	err = t.eachOfKit(backstay.ManageRepository, func(r backstay.Repository, s backstay.Storage) error {
		if hash := kitHash(r, s); m.Has[r.ID] != hash {
			missing = append(missing, kitPart{r.ID, r.Name, hash})
		}
		return nil
	})
	return missing, err
}

// AcceptKitRisk notes that somebody takes the risk of being without a recovery kit, for what is missing in it by now, and why.
func (a *App) AcceptKitRisk(ctx context.Context, who backstay.Actor, why string) error {
	return a.change(ctx, who, "recoverykit.risk-accepted", func(t *task) error {
		t.on("recovery kit", "server", "")
		if err := t.allowKit(); err != nil {
			return err
		}
		if why = strings.TrimSpace(why); why == "" || len(why) > 500 {
			return backstay.Errorf(backstay.Invalid, "the reason is to be of 1 to 500 bytes").WithHint("Write in a sentence why there is to be no recovery kit.").OnField("reason")
		}
		m, err := recallKit(ctx, t.tx)
		if err != nil {
			return err
		}
		missing, err := t.kitMissing(m)
		if err != nil {
			return err
		}
		m.AcceptedBy, m.AcceptedAt, m.Accepted = who.Name, a.now(), map[string]string{}
		for _, what := range missing {
			m.Accepted[what.id] = what.hash
		}
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		t.event.Reason = why
		return t.tx.Remember(ctx, "recovery-kit", string(text))
	})
}

// eachOfKit goes through the repositories for which the actor has a permission.
func (t *task) eachOfKit(p backstay.Permission, do func(r backstay.Repository, s backstay.Storage) error) error {
	q := db.Query{Sort: "name", Limit: db.MaxPage}
	q.Reach, q.Denied = backstay.ReachOf(t.who, p)
	for {
		page, next, err := db.List[backstay.Repository](t.ctx, t.tx, q)
		if err != nil {
			return err
		}
		for _, r := range page {
			s, err := db.Find[backstay.Storage](t.ctx, t.tx, r.Storage)
			if err != nil {
				return err
			}
			if err := do(r, s); err != nil {
				return err
			}
		}
		if q.Cursor = next; next == "" {
			return nil
		}
	}
}

// ExportRecoveryKit makes a kit with the repositories for which the actor may. The secrets of storages are in it only if they are wanted;
// the passwords of repositories always are.
func (a *App) ExportRecoveryKit(ctx context.Context, who backstay.Actor, secrets bool) (kit RecoveryKit, err error) {
	err = a.change(ctx, who, "recoverykit.exported", func(t *task) error {
		t.on("recovery kit", "server", "")
		if err := t.allowKit(); err != nil {
			return err
		}
		set, err := t.tx.Settings(ctx)
		if err != nil {
			return err
		}
		m, err := recallKit(ctx, t.tx)
		if err != nil {
			return err
		}
		m.Version, m.At, m.By = m.Version+1, a.now(), who.Name
		kit = RecoveryKit{Version: m.Version, Made: m.At, By: who.Name, Server: set.Name, Secrets: secrets}
		err = t.eachOfKit(backstay.ExportRecoveryKit, func(r backstay.Repository, s backstay.Storage) error {
			entry, err := t.kitEntry(r, s, secrets)
			kit.Entries, m.Has[r.ID] = append(kit.Entries, entry), kitHash(r, s)
			if r.ID == set.BackupRepository && t.allOver(backstay.ExportRecoveryKit) {
				kit.Own = &entry
			}
			return err
		})
		if t.allOver(backstay.ExportRecoveryKit) {
			m.Has[serverKit] = a.serverKitHash(set)
			for _, key := range a.Ring.Keys() {
				kit.Keys = append(kit.Keys, key.Text().Reveal())
			}
		}
		if err != nil {
			return err
		}
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		t.event.Reason = fmt.Sprintf("version %d with %d repositories, secrets of storages in it: %t", m.Version, len(kit.Entries), secrets)
		return t.tx.Remember(ctx, "recovery-kit", string(text))
	})
	return kit, err
}

// allowKit refuses unless the actor may export a kit of something. Who may once they confirm it is told so, wherever that is.
func (t *task) allowKit() error {
	for _, right := range t.who.Rights {
		if backstay.Decide(t.who, backstay.ExportRecoveryKit, right.Scope, "").NeedFresh {
			return t.allow(backstay.ExportRecoveryKit, right.Scope, "")
		}
	}
	return t.allowAnywhere(backstay.ExportRecoveryKit)
}

func (t *task) kitEntry(r backstay.Repository, s backstay.Storage, secrets bool) (entry KitEntry, err error) {
	project, err := db.Find[backstay.Project](t.ctx, t.tx, r.Project)
	if err != nil {
		return entry, err
	}
	password, err := t.app.open(repositoryPlace(r.ID), r.Sealed)
	if err != nil {
		return entry, err
	}
	hidden, err := t.app.hidden(storagePlace(s.ID), s.Sealed)
	if err != nil {
		return entry, err
	}
	p, err := t.storagePlace(s, hidden)
	if err != nil {
		return entry, err
	}
	fields, err := t.app.Places.CheckStorage(p)
	if err != nil {
		return entry, err
	}
	return KitEntry{Project: project.Name, Name: r.Name, Location: p.within(r.Path).Location, Password: password.Reveal(), Snapshots: r.Snapshots,
		Settings: kitSettings(fields, s.Settings, hidden, secrets)}, nil
}

func kitSettings(fields []settings.Field, plain, hidden map[string]string, secrets bool) (all []KitSetting) {
	for _, name := range slices.Sorted(maps.Keys(join(plain, hidden))) {
		k := KitSetting{Name: name, Title: name, Value: plain[name]}
		if i := slices.IndexFunc(fields, func(f settings.Field) bool { return f.Name == name }); i >= 0 {
			k.Title, k.Secret = fields[i].Title, fields[i].IsSecret()
			if len(fields[i].Env) > 0 {
				k.Env = fields[i].Env[0]
			}
		}
		if value, ok := hidden[name]; ok {
			k.Secret = true
			if secrets {
				k.Value = value
			}
		}
		all = append(all, k)
	}
	return all
}
