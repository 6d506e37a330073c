package db

import (
	"context"
	"time"

	"github.com/backstay/backstay"
)

// SinkState is how far a sink of the audit trail has come.
type SinkState struct {
	Sink         string `bun:",pk"`
	Sent         int64  // the last event that it has
	SentHash     string // of that event
	SentAt       *time.Time
	Head         int64 // the last event that it has a signed head of
	HeadAt       *time.Time
	Attempts     int // that failed since the last good one
	Next         time.Time
	Error        string
	FailingSince *time.Time
	Claim        string // of the process that is at it
	LeaseUntil   *time.Time
}

// sinkDue is what is to be sent something now: to which the trail has more, or something else, than it was sent; or whose last head is old. Times
// that are far ahead were written by a clock that was ahead.
const sinkDue = `from sink_states s, audit_head h where h.id = 1 and (s.next <= ? or s.next > ?) and (s.lease_until is null or s.lease_until <= ? or s.lease_until > ?)
	and (s.sent <> h.seq or s.sent_hash <> h.hash or s.sent > 0 and (s.head_at is null or s.head_at <= ? or s.head < s.sent and s.head_at <= ?))`

// SinkQuery says which sinks are due.
type SinkQuery struct {
	Now      time.Time
	HeadOf   time.Time // heads that were signed until then are old for a trail that has gone on
	HeadIdle time.Time // and for one that has not
}

func (q SinkQuery) args() []any {
	ahead := q.Now.Add(farAhead)
	return []any{q.Now, ahead, q.Now, ahead, q.HeadIdle, q.HeadOf}
}

// DueSink reports whether a sink is to be sent something.
func (tx *Tx) DueSink(ctx context.Context, q SinkQuery) (bool, error) {
	var n int
	err := tx.tx.NewRaw("select count(*) from (select 1 "+sinkDue+" limit 1) t", q.args()...).Scan(ctx, &n)
	return n > 0, explain("look for due sinks", err)
}

// ClaimSink gives the sink that has waited longest to the caller until its lease ends. ErrNotFound means that there is none; ErrChanged that
// another process was faster.
func (tx *Tx) ClaimSink(ctx context.Context, claim string, q SinkQuery, lease time.Time) (s SinkState, err error) {
	if err := tx.tx.NewRaw("select s.* "+sinkDue+" order by s.next, s.sink limit 1", q.args()...).Scan(ctx, &s); err != nil {
		return s, explain("find due sink", err)
	}
	n, err := tx.exec(ctx, "update sink_states set claim = ?, lease_until = ? where sink = ? and claim = ? and lease_until is not distinct from ?", claim, lease, s.Sink, s.Claim, s.LeaseUntil)
	if err == nil && n == 0 {
		err = ErrChanged
	}
	s.Claim, s.LeaseUntil = claim, &lease
	return s, err
}

// KeepSink notes how far a sink has come, and ends the claim. It reports false if it is no longer this claim's.
func (tx *Tx) KeepSink(ctx context.Context, s SinkState) (mine bool, err error) {
	claim := s.Claim
	s.Claim, s.LeaseUntil = "", nil
	result, err := tx.tx.NewUpdate().Model(&s).Where("sink = ? and claim = ?", s.Sink, claim).Exec(ctx)
	if err != nil {
		return false, explain("keep sink", err)
	}
	return affected(result) > 0, nil
}

// SinkStates returns how far each sink has come, by their ids.
func (tx *Tx) SinkStates(ctx context.Context) (map[string]SinkState, error) {
	var all []SinkState
	err := tx.tx.NewSelect().Model(&all).Scan(ctx)
	states := make(map[string]SinkState, len(all))
	for _, s := range all {
		states[s.Sink] = s
	}
	return states, explain("find sinks", err)
}

// RetrySink makes a sink due at once.
func (tx *Tx) RetrySink(ctx context.Context, id string, now time.Time) error {
	_, err := tx.exec(ctx, "update sink_states set next = ? where sink = ?", now, id)
	return err
}

// AuditEventsAfter returns some events, the oldest first, that come after one.
func (tx *Tx) AuditEventsAfter(ctx context.Context, seq int64, limit int) (events []backstay.AuditEvent, err error) {
	err = tx.tx.NewSelect().Model(&events).Where("seq > ?", seq).Order("seq").Limit(int64(limit)).Scan(ctx)
	return events, explain("read audit events", err)
}
