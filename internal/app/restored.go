package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// restored is what a server that was restored remembers until it begins.
type restored struct {
	Made time.Time `json:"made"` // the backup that it was restored from
	At   time.Time `json:"at"`
}

// AfterRestore makes a database that was just filled with an older state one that is safe to begin with: nothing that was going on is
// repeated, and nothing is removed until a person has looked at it. It is part of the transaction that fills it.
func AfterRestore(ctx context.Context, tx *db.Tx, made, now time.Time) error {
	now = now.UTC().Truncate(time.Microsecond)
	text, err := json.Marshal(backstay.Failure{Code: goneCode, Text: "the server was restored from its backup of " + made.Format(time.RFC3339),
		Hint: "Look in the repository whether the run has made its snapshot; if not, start it again."})
	if err != nil {
		return err
	}
	memory, err := json.Marshal(restored{made.UTC(), now})
	if err != nil {
		return err
	}
	return errors.Join(tx.EndRuns(ctx, string(text), now), tx.HandlePlans(ctx, now), tx.Remember(ctx, "restored", string(memory)),
		rememberClock(ctx, tx, ClockState{Seen: now, Held: true, Person: true, Older: true, From: made.UTC(), To: now}))
}

// BeginAgain does what is left to do after the server was restored: it says so in the audit trail, and looks in all repositories for the
// snapshots that were made since.
func (a *App) BeginAgain(ctx context.Context) error {
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		text, err := tx.Recall(ctx, "restored")
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		var m restored
		if err == nil {
			err = json.Unmarshal([]byte(text), &m)
		}
		if err != nil {
			return err
		}
		all, err := db.All[backstay.Repository](ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range all {
			scan := backstay.Run{Kind: backstay.RunCatalogue}
			a.fill(&scan, r.Project, []string{r.ID}, "server")
			if err := db.Insert(ctx, tx, &scan); err != nil {
				return err
			}
		}
		if err := tx.Unremember(ctx, "restored"); err != nil {
			return err
		}
		t := a.task(ctx, backstay.Server, "server.restored")
		t.tx = tx
		t.on("settings", "server", "")
		return t.log(backstay.ResultAllowed, fmt.Sprintf("at %s, from the backup of %s: nothing is forgotten or pruned until a person confirms", m.At.Format(time.RFC3339), m.Made.Format(time.RFC3339)))
	})
	if err != nil {
		return explain(err, "server")
	}
	return nil
}

// unknownRun reports whether a plan of this server has made a snapshot in a run that the database knows nothing of.
func unknownRun(ctx context.Context, tx *db.Tx, s backstay.Snapshot) (bool, error) {
	if s.Plan == "" || s.Run == "" {
		return false, nil
	}
	if _, err := db.Find[backstay.Plan](ctx, tx, s.Plan); err != nil {
		return false, ignoreMissing(err)
	}
	_, err := db.Find[backstay.Run](ctx, tx, s.Run)
	return errors.Is(err, db.ErrNotFound), ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	return err
}

// holdOlder keeps everything from being removed until a person confirms: the database is an old copy, so that what it says of retention and
// protection may be old, too. It is the last thing that a transaction does.
func (a *App) holdOlder(ctx context.Context, tx *db.Tx, r backstay.Repository, run string) error {
	c, err := a.clock(ctx, tx)
	if err != nil || c.Older {
		return err
	}
	c.Held, c.Person, c.Older, c.From, c.To, c.Left = true, true, true, c.Seen, a.now(), 0
	if err := rememberClock(ctx, tx, c); err != nil {
		return err
	}
	t := a.task(ctx, backstay.Server, "database.older")
	t.tx, t.event.Run = tx, run
	t.on("repository", r.ID, r.Name)
	return t.log(backstay.ResultAllowed, "it holds a snapshot of a run that the database knows nothing of, so the database is an old copy: nothing is forgotten or pruned until a person confirms")
}
