package app

import (
	"context"
	"fmt"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/doctor"
)

// A repository is read again a slice at a time, so that each pack is read within its VerifyDays and no day has all the work. A slice that
// was never read goes first, then the one whose reading is the longest ago.
const (
	mostSlices = 365
	day        = 24 * time.Hour
	sliceRetry = time.Hour // after a slice that could not be read
)

var verificationFailed = doctor.Named("verification-failed").Code

// readings are what is known of the slices of a repository.
type readings struct {
	at    map[string]time.Time // when each was read last, whatever was found
	last  time.Time            // when the newest reading was begun, whatever came of it
	going bool                 // one waits or is at work
}

func (a *App) readings(ctx context.Context, tx *db.Tx, repository string, parts int) (r readings, err error) {
	runs, err := tx.SliceRuns(ctx, repository, parts)
	r.at = map[string]time.Time{}
	for _, run := range runs { // the oldest first
		r.last, r.going = run.CreatedAt, r.going || !run.State.Ended()
		if run.State == backstay.Succeeded || run.Failure != nil && run.Failure.Code == verificationFailed {
			r.at[run.Options.Slice] = *run.StartedAt
		}
	}
	return r, err
}

// startSlice starts the verification of the next slice of a repository, if it is due.
func (a *App) startSlice(ctx context.Context, tx *db.Tx, r backstay.Repository) error {
	if r.VerifyDays == 0 {
		return nil
	}
	parts, within := min(r.VerifyDays, mostSlices), time.Duration(r.VerifyDays)*day
	every := within / time.Duration(parts+1) // so that a round ends one slice before its time
	known, err := a.readings(ctx, tx, r.ID, parts)
	if err != nil {
		return err
	}
	next, oldest := "", time.Time{}
	for i := range parts {
		slice := fmt.Sprintf("%d/%d", i+1, parts)
		if at := known.at[slice]; next == "" || at.Before(oldest) {
			next, oldest = slice, at
		}
	}
	if r.VerifiedAt == nil && !oldest.IsZero() || r.VerifiedAt != nil && oldest.After(*r.VerifiedAt) {
		if err := tx.VerifiedRepository(ctx, r.ID, oldest); err != nil {
			return err
		}
	}
	now := a.now()
	if oldest.Before(r.CreatedAt) {
		oldest = r.CreatedAt
	}
	late := now.Sub(oldest) > within-every && now.Sub(known.last) >= sliceRetry // such as after the server was off
	if known.going || now.Sub(known.last) < every && !late {
		return nil
	}
	run := backstay.Run{Kind: backstay.RunVerification, Options: backstay.RunOptions{Level: "sample", Slice: next}}
	a.fill(&run, r.Project, []string{r.ID}, "server")
	run.Priority = -5
	return db.Insert(ctx, tx, &run)
}
