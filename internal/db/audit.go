package db

import (
	"context"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// AppendAudit adds an event to the audit trail as the next one. Link gives its hash from that of the event before. It is the last thing that
// a transaction does, since from here on no other one can write its event.
func (tx *Tx) AppendAudit(ctx context.Context, e *backstay.AuditEvent, link func(previous string, e backstay.AuditEvent) (string, error)) error {
	var previous string
	err := tx.tx.NewRaw("update audit_head set seq = seq + 1 where id = 1 returning seq, hash").Scan(ctx, &e.Seq, &previous)
	if err != nil {
		return explain("number audit event", err)
	}
	if e.Hash, err = link(previous, *e); err != nil {
		return err
	}
	if err := Insert(ctx, tx, e); err != nil {
		return err
	}
	_, err = tx.exec(ctx, "update audit_head set hash = ? where id = 1", e.Hash)
	return err
}

// AuditHead returns how many events there are, and the hash of the last one.
func (tx *Tx) AuditHead(ctx context.Context) (seq int64, hash string, err error) {
	err = tx.tx.NewRaw("select seq, hash from audit_head where id = 1").Scan(ctx, &seq, &hash)
	return seq, hash, explain("find audit head", err)
}

// AuditMark is a signed head of the audit trail.
type AuditMark struct {
	Seq  int64 `bun:",pk"`
	Head string
}

// SaveAuditMark keeps a signed head.
func (tx *Tx) SaveAuditMark(ctx context.Context, m AuditMark) error { return Insert(ctx, tx, &m) }

// AuditMarks returns all signed heads, the oldest first.
func (tx *Tx) AuditMarks(ctx context.Context) (all []AuditMark, err error) {
	err = tx.tx.NewSelect().Model(&all).Order("seq").Scan(ctx)
	return all, explain("list audit heads", err)
}

// LastAuditMark returns the newest signed head; ErrNotFound if there is none.
func (tx *Tx) LastAuditMark(ctx context.Context) (m AuditMark, err error) {
	err = tx.tx.NewSelect().Model(&m).Order("seq desc").Limit(1).Scan(ctx)
	return m, explain("find the last audit head", err)
}

// AuditQuery says which events are wanted, the newest first.
type AuditQuery struct {
	Reach    []backstay.Reach // only what happened within
	Denied   []backstay.Scope // nothing that happened within
	Before   int64            // only events with a lower number; 0: from the newest on
	Limit    int
	Actor    string // id of a person
	Action   string // "plan.updated", or "plan." for all about plans
	ObjectID string
	Project  string
	Result   backstay.Result
	Since    time.Time
	Until    time.Time
}

// AuditEvents returns a page of events, the newest first.
func (tx *Tx) AuditEvents(ctx context.Context, q AuditQuery) (page []backstay.AuditEvent, err error) {
	page = []backstay.AuditEvent{}
	s := tx.tx.NewSelect().Model(&page).Order("seq desc").Limit(int64(max(1, min(q.Limit, MaxPage))))
	var may []string
	var args []any
	for _, r := range q.Reach {
		condition, values := happenedIn(r.Scope)
		if args = append(args, values...); r.Owner != "" {
			condition, args = condition+" and actor = ?", append(args, r.Owner)
		}
		may = append(may, condition)
	}
	if len(may) == 0 {
		return page, nil
	}
	s = s.Where("("+strings.Join(may, " or ")+")", args...)
	for _, scope := range q.Denied {
		condition, values := happenedIn(scope)
		s = s.Where("not ("+condition+")", values...)
	}
	for _, c := range []struct {
		is    bool
		where string
		value any
	}{
		{q.Before > 0, "seq < ?", q.Before}, {q.Actor != "", "actor = ?", q.Actor}, {q.ObjectID != "", "object_id = ?", q.ObjectID},
		{q.Project != "", "project = ?", q.Project}, {q.Result != "", "result = ?", q.Result},
		{!q.Since.IsZero(), "time >= ?", q.Since.UTC()}, {!q.Until.IsZero(), "time < ?", q.Until.UTC()},
		{strings.HasSuffix(q.Action, "."), `action like ? escape '\'`, escapeLike(q.Action) + "%"},
		{q.Action != "" && !strings.HasSuffix(q.Action, "."), "action = ?", q.Action},
	} {
		if c.is {
			s = s.Where(c.where, c.value)
		}
	}
	return page, explain("list audit events", s.Scan(ctx))
}

// happenedIn is the condition that an event belongs to a scope. An event knows its project and the thing it is about: of a scope within a
// project these are the events about that very thing.
func happenedIn(scope backstay.Scope) (condition string, args []any) {
	project := scope.Project()
	switch {
	case scope == backstay.Everywhere:
		return "1 = 1", nil
	case scope.IsWithinProject():
		return "project = ? and object_id = ?", []any{project, path.Base(string(scope))}
	}
	return "project = ?", []any{project} // "" is that of the server
}

// AllAuditEvents yields every event, the oldest first, a thousand at a time.
func (tx *Tx) AllAuditEvents(ctx context.Context) iter.Seq2[backstay.AuditEvent, error] {
	return func(yield func(backstay.AuditEvent, error) bool) {
		for last := int64(0); ; {
			var some []backstay.AuditEvent
			err := tx.tx.NewSelect().Model(&some).Where("seq > ?", last).Order("seq").Limit(MaxPage).Scan(ctx)
			if err != nil {
				yield(backstay.AuditEvent{}, explain("read audit events", err))
				return
			}
			for _, e := range some {
				if last = e.Seq; !yield(e, nil) {
					return
				}
			}
			if len(some) < MaxPage {
				return
			}
		}
	}
}
