package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/retention"
)

// The limits of tags.
const (
	mostTags   = 100 // of one snapshot
	longestTag = 100 // letters
)

// ownFacts are what the server tells by tags, and ownTags are tags of its own: people neither add nor remove them.
var (
	ownFacts = []snapshot.Fact{snapshot.FactRun, snapshot.FactPlan, snapshot.FactType, snapshot.FactBase, snapshot.FactModule, factSource}
	ownTags  = []string{retention.Protected, ServerTag}
)

// TagSnapshot adds tags to a snapshot and removes some. In the repository another one takes its place, which has a new handle and the same
// original; its record stays. The event is written before; if the repository can't be changed, another one says so. Policies keep snapshots by
// their tags: whoever may protect a snapshot, or let go of it, may tag it.
func (a *App) TagSnapshot(ctx context.Context, who backstay.Actor, id string, add, remove []string) (s backstay.Snapshot, err error) {
	var told backstay.AuditEvent
	var tags []string
	err = a.change(ctx, who, "snapshot.tagged", func(t *task) error {
		if s, err = a.Snapshots.find(t, id); err != nil {
			return err
		}
		if err := t.allow(backstay.ProtectSnapshots, s.Scope, s.Owner); err != nil {
			return err
		}
		if err := errors.Join(checkTags("add", add), checkTags("remove", remove)); err != nil {
			return err
		}
		if tags = retagged(s.Tags, add, remove); slices.Equal(tags, s.Tags) {
			t.quiet = true
			return nil
		}
		if err := a.replaceable(s, tags); err != nil {
			return err
		}
		told = t.event
		return t.changed(map[string][]string{"tags": s.Tags}, map[string][]string{"tags": tags})
	})
	if err != nil || slices.Equal(tags, s.Tags) {
		return s, err
	}
	if s, err = a.retag(ctx, s, add, remove); err != nil {
		return s, a.failed(ctx, who, told, err)
	}
	return s, nil
}

// checkTags refuses what is no tag, and the server's own.
func checkTags(field string, tags []string) error {
	for _, tag := range tags {
		name, _, isFact := strings.Cut(tag, "=")
		switch {
		case tag == "" || tag != strings.TrimSpace(tag) || !utf8.ValidString(tag) || utf8.RuneCountInString(tag) > longestTag ||
			strings.ContainsRune(tag, ',') || strings.ContainsFunc(tag, unicode.IsControl):
			return backstay.Errorf(backstay.Invalid, "%q is no tag", tag).WithHint("A tag has up to 100 letters, no comma and no line break, and no space at its ends.").OnField(field)
		case isFact && slices.Contains(ownFacts, snapshot.Fact(name)), slices.Contains(ownTags, tag):
			return backstay.Errorf(backstay.Invalid, "the tag %q is the server's own", tag).WithHint("Choose another one. A snapshot is protected by 'protect', not by a tag.").OnField(field)
		}
	}
	return nil
}

// retagged returns the new tags.
func retagged(old, add, remove []string) []string {
	tags := slices.Clone(old)
	for _, tag := range add {
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return slices.DeleteFunc(tags, func(tag string) bool { return slices.Contains(remove, tag) })
}

// replaceable refuses what can't be replaced in its repository.
func (a *App) replaceable(s backstay.Snapshot, tags []string) error {
	switch {
	case len(tags) > mostTags:
		return backstay.Errorf(backstay.Invalid, "a snapshot has %d tags at most", mostTags).OnField("add")
	case s.KeptUntil != nil && s.KeptUntil.After(a.now()):
		return backstay.Errorf(backstay.Conflict, "object lock keeps snapshot %q as it is until %s", s.Handle[:8], s.KeptUntil.Format("2006-01-02")).WithHint("Its tags can be changed after that.")
	}
	return nil
}

// retag replaces a snapshot in its repository, and lets its record follow while nobody else can look at the repository.
func (a *App) retag(ctx context.Context, s backstay.Snapshot, add, remove []string) (now backstay.Snapshot, err error) {
	r, err := a.openRepository(ctx, s.Repository, openOptions{patience: personPatience})
	if err != nil {
		return s, storageError(err)
	}
	a.yield(s.Repository)
	ctx, unlock, err := r.Lock(ctx, repo.Exclusive, repo.LockOptions{Wait: personWait})
	if err != nil {
		return s, storageError(err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	there, err := snapshot.Find(ctx, r.Repo, s.Handle, snapshot.Filter{}) // in the repository itself: one that only the cache still has must not come back
	if err != nil {
		return s, storageError(err)
	}
	there.Tags = retagged(there.Tags, add, remove)
	replaced := snapshot.Replace(ctx, r.Repo, there) // after an error the id is of one that is there
	err = a.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		if now, err = db.Find[backstay.Snapshot](ctx, tx, s.ID); err != nil {
			return err
		}
		now.Handle, now.Original, now.Tags, now.UpdatedAt = there.ID.String(), there.Identity().String(), there.Tags, a.now()
		return db.Update(ctx, tx, &now)
	})
	switch {
	case replaced != nil:
		return s, storageError(errors.Join(replaced, err))
	case err != nil:
		return s, explain(err, "snapshot")
	}
	return now, nil
}
