package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/sink"
)

const (
	sinkBatch = 200             // events that are read at once
	sinkTime  = 2 * time.Minute // to send them; what was not reached is sent with the next ones
	sinkLease = 5 * time.Minute // after which another process takes over; longer than sinkTime
	headEvery = time.Minute     // between signed heads while the trail goes on
	headIdle  = 5 * time.Minute // and while it does not, so that a receiver notices if nothing comes any more
	firstTry  = 5 * time.Second // after a failure; twice as long each time
	lastTry   = 5 * time.Minute // and no longer than this
	maxReason = 500             // of an error that is kept, in bytes
)

// SendTrail sends the sinks what they have not got of the audit trail. Any number of processes and goroutines may call it: of each sink one at a
// time sends, and notes how far it came. What a process sent and could not note any more is sent again by the next.
func (a *App) SendTrail(ctx context.Context) error {
	return whileAny(ctx, a.sendTrail)
}

// sendTrail serves one sink. It reports false if none is due.
func (a *App) sendTrail(ctx context.Context) (worked bool, err error) {
	now, due := a.now(), false
	q := db.SinkQuery{Now: now, HeadOf: now.Add(-headEvery), HeadIdle: now.Add(-headIdle)}
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		due, err = tx.DueSink(ctx, q)
		return err
	})
	if err != nil || !due {
		return false, err
	}
	var s db.SinkState
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		s, err = tx.ClaimSink(ctx, a.newID(), q, now.Add(sinkLease))
		return err
	})
	switch {
	case errors.Is(err, db.ErrNotFound):
		return false, nil
	case errors.Is(err, db.ErrChanged):
		return true, nil // another one has it: look for the next
	case err != nil:
		return false, err
	}
	records, err := a.serve(ctx, s)
	stopped := err != nil && ctx.Err() != nil
	return true, a.served(context.WithoutCancel(ctx), s, records, err, stopped)
}

// serve sends a sink what comes next, and returns the records that it has.
func (a *App) serve(ctx context.Context, s db.SinkState) ([]sink.Record, error) {
	var open sink.Sink
	var records []sink.Record
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		t := &task{app: a, ctx: ctx, tx: tx}
		if _, open, err = t.openSink(s.Sink); err != nil {
			return err
		}
		records, err = t.recordsAfter(s)
		return err
	})
	if err != nil || len(records) == 0 {
		return nil, err
	}
	within, cancel := context.WithTimeoutCause(ctx, sinkTime, fmt.Errorf("it took nothing within %v", sinkTime))
	defer cancel()
	taken, err := open.Send(within, records)
	if taken > 0 && ctx.Err() == nil && within.Err() != nil {
		err = nil // it is slow, and does take them
	}
	return records[:taken], err
}

// recordsAfter returns the events that a sink lacks, some of them, and a signed head where one is due. What it returns continues the chain that
// the sink has: a trail that was changed or cut since is an error.
func (t *task) recordsAfter(s db.SinkState) (records []sink.Record, err error) {
	seq, hash, err := t.tx.AuditHead(t.ctx)
	if err != nil {
		return nil, err
	}
	if seq < s.Sent || seq == s.Sent && hash != s.SentHash {
		return nil, fmt.Errorf("the trail ends with event %d and is not what was sent, which was up to event %d: its end was cut off or changed, or an older copy of the database was put back", seq, s.Sent)
	}
	events, err := t.tx.AuditEventsAfter(t.ctx, s.Sent, sinkBatch)
	if err != nil {
		return nil, err
	}
	last, lastHash := s.Sent, s.SentHash
	for _, e := range events {
		link, err := linkAudit(lastHash, e)
		if err != nil {
			return nil, err
		}
		if e.Seq != last+1 || e.Hash != link {
			return nil, fmt.Errorf("event %d of the trail does not continue what was sent up to event %d: something was removed or changed", e.Seq, last)
		}
		last, lastHash = e.Seq, e.Hash
		records = append(records, sink.Record{Event: e})
	}
	if len(events) < sinkBatch && last < seq {
		return nil, fmt.Errorf("event %d of the trail is missing", last+1)
	}
	now := t.app.now()
	if last == 0 || s.HeadAt != nil && now.Before(s.HeadAt.Add(headEvery)) {
		return records, nil
	}
	head, err := t.app.signHead(last, lastHash)
	return append(records, sink.Record{Head: &head}), err
}

// signHead signs that the trail has come so far. An empty hash is that of an empty trail.
func (a *App) signHead(seq int64, hash string) (head chain.Head, err error) {
	var h chain.Hash
	if hash != "" {
		err = h.UnmarshalText([]byte(hash))
	}
	return a.signer().Sign(uint64(seq), h, a.now()), err
}

// served notes what became of an attempt. One that was stopped is no failure.
func (a *App) served(ctx context.Context, s db.SinkState, taken []sink.Record, failed error, stopped bool) error {
	now, was := a.now(), s.FailingSince
	for _, r := range taken {
		s.SentAt = &now
		if r.Head != nil {
			signed := r.Time()
			s.Head, s.HeadAt = int64(r.Head.Seq), &signed
			continue
		}
		s.Sent, s.SentHash = r.Event.Seq, r.Event.Hash
	}
	switch {
	case failed == nil:
		s.Attempts, s.Error, s.FailingSince, s.Next = 0, "", nil, now
	case !stopped:
		if len(taken) > 0 {
			s.Attempts, s.FailingSince = 0, nil
		}
		if s.FailingSince == nil {
			s.FailingSince = &now
		}
		s.Next = now.Add(min(firstTry<<min(s.Attempts, 10), lastTry))
		s.Attempts++
		s.Error = notify.Cut(failed.Error(), maxReason)
	}
	if failed != nil && !stopped && was == nil {
		a.Log.WarnContext(ctx, "an audit sink is failing", "sink", s.Sink, "error", s.Error)
	}
	return a.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.KeepSink(ctx, s) // of one that another process has taken over, that one notes it
		return err
	})
}

// sinksToJudge returns all sinks with how they are.
func (t *task) sinksToJudge() ([]backstay.AuditSink, error) {
	all, err := db.All[backstay.AuditSink](t.ctx, t.tx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	states, err := t.tx.SinkStates(t.ctx)
	if err != nil {
		return nil, err
	}
	seq, _, err := t.tx.AuditHead(t.ctx)
	for i := range all {
		all[i].Status = statusOf(states[all[i].ID], seq)
	}
	return all, err
}
