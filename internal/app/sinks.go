package app

import (
	"context"
	"maps"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/internal/sink"
	"github.com/backstay/backstay/settings"
)

// Receivers are the kinds of sinks there are. Whoever puts the application together hands them to it.
type Receivers interface {
	SinkKinds() []Kind
	// CheckSink returns the fields of the kind, or what is wrong with the settings. It connects to nothing.
	CheckSink(p Place) ([]settings.Field, error)
	OpenSink(p Place) (sink.Sink, error)
}

func (a *App) sinks() *Noun[backstay.AuditSink, *backstay.AuditSink] {
	return &Noun[backstay.AuditSink, *backstay.AuditSink]{app: a, Kind: "audit-sink", Read: backstay.ReadAudit, Manage: backstay.ManageSystem,
		Filters: []string{"kind"},
		name:    func(s *backstay.AuditSink) string { return s.Name },
		scope:   func(*backstay.AuditSink) backstay.Scope { return backstay.System },
		prepare: a.prepareSink,
		saved: func(t *task, s, before *backstay.AuditSink) error {
			if before == nil {
				return db.Insert(t.ctx, t.tx, &db.SinkState{Sink: s.ID, Next: a.now()})
			}
			return t.tx.RetrySink(t.ctx, s.ID, a.now()) // it may be well with what was changed
		},
		show: func(_ context.Context, t *task, s *backstay.AuditSink) { t.showSink(s) },
	}
}

func (a *App) prepareSink(t *task, s, before *backstay.AuditSink) error {
	if err := s.Check(); err != nil {
		return err
	}
	mayReachAll := backstay.Decide(t.who, backstay.ManageStorages, backstay.Everywhere, "").Allowed
	s.Local = mayReachAll && (before == nil || before.Local) // whoever changes the name of another's does not vouch for its address
	old, err := a.hidden(sinkPlace(s.ID), s.Sealed)
	if err != nil {
		return err
	}
	p, err := t.sinkPlace(*s, old)
	if err != nil {
		return err
	}
	fields, err := a.Receivers.CheckSink(p)
	if err != nil {
		return wrongSetting(err)
	}
	if before != nil {
		t.showSink(before) // so that the trail tells of no change that nobody made
	}
	s.Settings, s.Sealed, err = a.split(fields, s.Settings, old, sinkPlace(s.ID))
	return err
}

func sinkPlace(id string) secret.Place {
	return secret.Place{Table: "audit_sinks", Row: id, Column: "sealed"}
}

// sinkPlace is how the sink is reached, with its secrets. What is given now wins over what was hidden.
func (t *task) sinkPlace(s backstay.AuditSink, hidden map[string]string) (p Place, err error) {
	p = Place{Kind: s.Kind, Settings: join(hidden, s.Settings)}
	p.Guard, err = t.guard(s.Local)
	return p, err
}

// showSink fills in how a sink is. What can't be read is left out: somebody looks at the sink, not at it.
func (t *task) showSink(s *backstay.AuditSink) {
	if hidden, err := t.app.hidden(sinkPlace(s.ID), s.Sealed); err == nil {
		s.Secrets = slices.Sorted(maps.Keys(hidden))
	}
	states, err := t.tx.SinkStates(t.ctx)
	if err != nil {
		return
	}
	seq, _, err := t.tx.AuditHead(t.ctx)
	if err != nil {
		return
	}
	s.Status = statusOf(states[s.ID], seq)
}

// statusOf is how a sink is, where the trail has come to a number.
func statusOf(s db.SinkState, seq int64) backstay.SinkStatus {
	status := backstay.SinkStatus{State: backstay.SinkCurrent, Sent: s.Sent, Lag: max(0, seq-s.Sent), SentAt: s.SentAt, SignedAt: s.HeadAt, Error: s.Error, Attempts: s.Attempts,
		FailingSince: s.FailingSince}
	if status.Lag > 0 {
		status.State = backstay.SinkBehind
	}
	if s.FailingSince != nil {
		status.State, status.Next = backstay.SinkFailing, &s.Next
	}
	return status
}

// openSink opens a stored sink. Nothing is sent.
func (t *task) openSink(id string) (s backstay.AuditSink, open sink.Sink, err error) {
	if s, err = db.Find[backstay.AuditSink](t.ctx, t.tx, id); err != nil {
		return s, nil, err
	}
	hidden, err := t.app.hidden(sinkPlace(s.ID), s.Sealed)
	if err != nil {
		return s, nil, err
	}
	p, err := t.sinkPlace(s, hidden)
	if err != nil {
		return s, nil, err
	}
	open, err = t.app.Receivers.OpenSink(p)
	return s, open, err
}

// TestSink sends a signed head of the trail, and returns once the sink has it.
func (a *App) TestSink(ctx context.Context, who backstay.Actor, id string) error {
	var s backstay.AuditSink
	var open sink.Sink
	var head chain.Head
	err := a.look(ctx, who, "audit-sink.tested", func(t *task) error {
		_, err := a.Sinks.find(t, id)
		if err != nil {
			return err
		}
		if err := t.allow(backstay.ManageSystem, backstay.System, ""); err != nil {
			return err
		}
		if s, open, err = t.openSink(id); err != nil {
			return err
		}
		seq, hash, err := t.tx.AuditHead(ctx)
		if err != nil {
			return err
		}
		head, err = a.signHead(seq, hash)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := open.Send(ctx, []sink.Record{{Head: &head}}); err != nil {
		return backstay.Errorf(backstay.Conflict, "audit sink %q: %w", s.Name, err).WithHint("Look at its settings, and whether the receiver can be reached from the server.")
	}
	return nil
}
