package db

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/backstay/backstay"
)

// Attempt counts failed sign-ins of one sort.
type Attempt struct {
	ID       string `bun:",pk"`
	Failures int
	LastAt   time.Time
}

// Attempts returns what was counted under an id; nothing if nothing was.
func (tx *Tx) Attempts(ctx context.Context, id string) (a Attempt, err error) {
	err = explain("find", tx.tx.NewRaw("select id, failures, last_at from attempts where id = ?", id).Scan(ctx, &a.ID, &a.Failures, &a.LastAt))
	if err == ErrNotFound {
		return Attempt{ID: id}, nil
	}
	return a, err
}

// SaveAttempts stores what was counted under an id.
func (tx *Tx) SaveAttempts(ctx context.Context, a Attempt) error {
	_, err := tx.exec(ctx, `insert into attempts (id, failures, last_at) values (?, ?, ?)
		on conflict (id) do update set failures = excluded.failures, last_at = excluded.last_at`, a.ID, a.Failures, a.LastAt)
	return err
}

// ForgetAttempts removes what was counted before a time; wrong codes, which somebody with the password typed, are never forgotten.
func (tx *Tx) ForgetAttempts(ctx context.Context, before time.Time) error {
	_, err := tx.exec(ctx, "delete from attempts where last_at < ? and id not like 'second:%'", before)
	return err
}

// Rights returns the grants of a person, their own and those of their groups, with the roles.
func (tx *Tx) Rights(ctx context.Context, user string) ([]backstay.Right, error) {
	_, rights, err := tx.GrantsOf(ctx, user)
	return rights, err
}

// GrantsOf returns the grants of a person, their own and those of their groups, and the right that each of them is.
func (tx *Tx) GrantsOf(ctx context.Context, user string) (grants []backstay.Grant, rights []backstay.Right, err error) {
	err = tx.tx.NewRaw(`select * from grants where subject_kind = 'user' and subject = ?
		or subject_kind = 'group' and subject in (select id from groups where members like ?)`, user, `%"`+user+`"%`).Scan(ctx, &grants)
	if err != nil {
		return nil, nil, explain("find rights", err)
	}
	rights, err = tx.rights(ctx, grants)
	return grants, rights, err
}

// GroupRights returns the grants of a group, with the roles.
func (tx *Tx) GroupRights(ctx context.Context, group string) ([]backstay.Right, error) {
	grants, err := All[backstay.Grant](ctx, tx, Condition{"subject", Is, group})
	if err != nil {
		return nil, err
	}
	return tx.rights(ctx, grants)
}

// builtInRoles are those that every installation has, by their ids. Each request needs some of them, and none changes them.
var builtInRoles = sync.OnceValue(func() map[string]backstay.Role {
	all := map[string]backstay.Role{}
	for _, r := range backstay.BuiltInRoles() {
		all[r.ID] = r
	}
	return all
})

// rights looks up the roles of grants.
func (tx *Tx) rights(ctx context.Context, grants []backstay.Grant) ([]backstay.Right, error) {
	known := maps.Clone(builtInRoles())
	rights := make([]backstay.Right, 0, len(grants))
	for _, g := range grants {
		role, ok := known[string(g.Role)]
		if !ok {
			var err error
			if role, err = Find[backstay.Role](ctx, tx, string(g.Role)); err != nil {
				return nil, fmt.Errorf("role of grant %s: %w", g.ID, err)
			}
			known[role.ID] = role
		}
		rights = append(rights, backstay.Right{Role: role, Scope: g.Scope, Effect: g.Effect})
	}
	return rights, nil
}

// TouchSession notes that a session was used. It leaves the version alone, since nobody edits a session.
func (tx *Tx) TouchSession(ctx context.Context, s backstay.Session) error {
	_, err := tx.exec(ctx, "update sessions set last_used_at = ?, ip = ? where id = ?", s.LastUsedAt, s.IP, s.ID)
	return err
}

// TouchToken notes that a token was used.
func (tx *Tx) TouchToken(ctx context.Context, t backstay.Token) error {
	_, err := tx.exec(ctx, "update tokens set last_used_at = ?, last_used_ip = ? where id = ?", t.LastUsedAt, t.LastUsedIP, t.ID)
	return err
}

// SignedInFrom reports whether a person had a session at an address since a time.
func (tx *Tx) SignedInFrom(ctx context.Context, user, ip string, since time.Time) (bool, error) {
	var n int
	err := tx.tx.NewRaw(`select count(*) from sessions where "user" = ? and ip = ? and not pending and last_used_at >= ?`, user, ip, since).Scan(ctx, &n)
	return n > 0, explain("look for sessions", err)
}

// EndSessions removes the sessions of a person but one.
func (tx *Tx) EndSessions(ctx context.Context, user, but string) error {
	_, err := tx.exec(ctx, `delete from sessions where "user" = ? and id <> ?`, user, but)
	return err
}

// EndOldSessions removes those that are over since a time. Until then they tell from where a person signs in.
func (tx *Tx) EndOldSessions(ctx context.Context, before time.Time) error {
	_, err := tx.exec(ctx, "delete from sessions where expires_at < ?", before)
	return err
}

// Settings returns the settings of the server.
func (tx *Tx) Settings(ctx context.Context) (s backstay.Settings, err error) {
	s = backstay.DefaultSettings
	var text string
	err = explain("find settings", tx.tx.NewRaw("select value from settings where id = 'server'").Scan(ctx, &text))
	if err == ErrNotFound {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &s)
	}
	return s, err
}

// SaveSettings replaces the settings of the server.
func (tx *Tx) SaveSettings(ctx context.Context, s backstay.Settings) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return tx.Remember(ctx, "server", string(text))
}

// Remember keeps a value of the server's own.
func (tx *Tx) Remember(ctx context.Context, id, value string) error {
	_, err := tx.exec(ctx, "insert into settings (id, value) values (?, ?) on conflict (id) do update set value = excluded.value", id, value)
	return err
}

// Recall returns a value that was kept; ErrNotFound if none was.
func (tx *Tx) Recall(ctx context.Context, id string) (value string, err error) {
	err = explain("recall", tx.tx.NewRaw("select value from settings where id = ?", id).Scan(ctx, &value))
	return value, err
}

// SaveCeremony keeps the state of a sign-in that goes over several requests.
func (tx *Tx) SaveCeremony(ctx context.Context, id, kind, value string, expires time.Time) error {
	_, err := tx.exec(ctx, "insert into ceremonies (id, kind, value, expires_at) values (?, ?, ?, ?)", id, kind, value, expires)
	return err
}

// TakeCeremony returns the state and forgets it, so that it is used once.
func (tx *Tx) TakeCeremony(ctx context.Context, id, kind string, now time.Time) (value string, err error) {
	err = explain("find ceremony", tx.tx.NewRaw("delete from ceremonies where id = ? and kind = ? and expires_at > ? returning value", id, kind, now).Scan(ctx, &value))
	if err != nil {
		return "", err
	}
	return value, tx.ForgetCeremonies(ctx, now)
}

// Awaits reports whether the state of a sign-in of a kind is kept.
func (tx *Tx) Awaits(ctx context.Context, kind string) (bool, error) {
	n := 0
	err := tx.tx.NewRaw("select count(*) from (select 1 from ceremonies where kind = ? limit 1) t", kind).Scan(ctx, &n)
	return n > 0, explain("look for ceremonies", err)
}

// TakeCeremonies returns all states of a kind and forgets them.
func (tx *Tx) TakeCeremonies(ctx context.Context, kind string) (values []string, err error) {
	err = tx.tx.NewRaw("delete from ceremonies where kind = ? returning value", kind).Scan(ctx, &values)
	return values, explain("take ceremonies", err)
}

// DropIdentities unlinks everybody from an identity provider.
func (tx *Tx) DropIdentities(ctx context.Context, provider string) error {
	_, err := tx.exec(ctx, "delete from factors where kind = ? and value = ?", backstay.FactorOIDC, provider)
	return err
}

// ForgetCeremonies removes the states of sign-ins that nobody came back to.
func (tx *Tx) ForgetCeremonies(ctx context.Context, now time.Time) error {
	_, err := tx.exec(ctx, "delete from ceremonies where expires_at <= ?", now)
	return err
}

// FindUser returns the person with an e-mail address, whatever its case.
func FindUser(ctx context.Context, tx *Tx, email string) (u backstay.User, err error) {
	err = tx.tx.NewSelect().Model(&u).Where("lower(email) = lower(?)", email).Scan(ctx)
	return u, explain("find user", err)
}

// FindFactor returns the one confirmed factor of a kind that a person has.
func FindFactor(ctx context.Context, tx *Tx, user string, kind backstay.FactorKind) (f backstay.Factor, err error) {
	err = tx.tx.NewSelect().Model(&f).Where(`"user" = ? and kind = ? and confirmed`, user, kind).Limit(1).Scan(ctx)
	return f, explain("find factor", err)
}

// SeenUser notes when a person signed in last.
func (tx *Tx) SeenUser(ctx context.Context, id string, at time.Time) error {
	_, err := tx.exec(ctx, "update users set last_seen_at = ? where id = ?", at, id)
	return err
}

// Owners returns the ids of all who can sign in and have the role of the owner everywhere, with no grant that takes anything of it.
func (tx *Tx) Owners(ctx context.Context) (ids []string, err error) {
	err = tx.tx.NewRaw(`select u.id from users u where not u.disabled and exists (select 1 from grants g
		where g.role = ? and g.scope = '/' and g.effect = 'allow' and (g.subject_kind = 'user' and g.subject = u.id
			or g.subject_kind = 'group' and exists (select 1 from groups m where m.id = g.subject and m.members like '%"' || u.id || '"%')))
		and not exists (select 1 from grants g where g.effect = 'deny' and (g.subject_kind = 'user' and g.subject = u.id
			or g.subject_kind = 'group' and exists (select 1 from groups m where m.id = g.subject and m.members like '%"' || u.id || '"%')))`,
		backstay.RoleOwner).Scan(ctx, &ids)
	return ids, explain("find owners", err)
}

// ForgetSubject removes the grants of a person or a group, and a person from their groups.
func (tx *Tx) ForgetSubject(ctx context.Context, id string) error {
	if _, err := tx.exec(ctx, "delete from grants where subject = ?", id); err != nil {
		return err
	}
	groups, err := All[backstay.Group](ctx, tx, Condition{"members", Has, id})
	if err != nil {
		return err
	}
	for _, g := range groups {
		g.Members = slices.DeleteFunc(g.Members, func(m string) bool { return m == id })
		if err := Update(ctx, tx, &g); err != nil {
			return err
		}
	}
	return nil
}

// EndLinks makes the links of a person void.
func (tx *Tx) EndLinks(ctx context.Context, user string) error {
	_, err := tx.exec(ctx, `delete from links where "user" = ?`, user)
	return err
}

// FreshenSession notes that a sign-in was confirmed.
func (tx *Tx) FreshenSession(ctx context.Context, id string, until time.Time) error {
	_, err := tx.exec(ctx, "update sessions set fresh_until = ? where id = ?", until, id)
	return err
}

// DropFactors removes the factors of a kind that a person has, those that are confirmed or those that are not.
func (tx *Tx) DropFactors(ctx context.Context, user string, kind backstay.FactorKind, confirmed bool) error {
	_, err := tx.exec(ctx, `delete from factors where "user" = ? and kind = ? and confirmed = ?`, user, kind, confirmed)
	return err
}

// SetMFA notes whether a person has a second factor, and that it was shown in a session.
func (tx *Tx) SetMFA(ctx context.Context, user string, has bool, session string) error {
	if _, err := tx.exec(ctx, "update users set mfa = ?, version = version + 1 where id = ?", has, user); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "update sessions set mfa = ? where id = ?", true, session)
	return err
}

// Unremember forgets a value that was kept.
func (tx *Tx) Unremember(ctx context.Context, id string) error {
	_, err := tx.exec(ctx, "delete from settings where id = ?", id)
	return err
}
