package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/alert"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/notify"
)

// verdict is what was found about a thing, of some kinds.
type verdict struct {
	thing thing
	kinds []backstay.AlertKind
	found []alert.Finding
}

// LookAround opens and resolves the alerts that come with time and not with a run, and reminds of those that are open. Any number of
// processes may call it.
func (a *App) LookAround(ctx context.Context) error {
	var verdicts []verdict
	var open []backstay.Alert
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if open, err = tx.OpenAlerts(ctx, "", nil); err != nil {
			return err
		}
		verdicts, err = (&task{app: a, ctx: ctx, tx: tx}).verdicts(open)
		return err
	})
	if err != nil {
		return err
	}
	for _, v := range verdicts {
		if !v.differs(open) {
			continue
		}
		err := a.DB.Write(ctx, func(tx *db.Tx) error {
			w := a.alarm(ctx, tx)
			return errors.Join(w.settle(v.thing, v.kinds, v.found), w.end())
		})
		if err != nil {
			return err
		}
	}
	return a.DB.Write(ctx, func(tx *db.Tx) error {
		t := &task{app: a, ctx: ctx, tx: tx}
		return errors.Join(t.remind(), tx.ForgetDeliveries(ctx, a.now().Add(-keepDeliveries)))
	})
}

// differs reports whether the open alerts say something else than what was found. Most of the time they don't, and nothing is written.
func (v verdict) differs(open []backstay.Alert) bool {
	var was []string
	for _, o := range open {
		if o.ObjectID == v.thing.id && slices.Contains(v.kinds, o.Kind) {
			was = append(was, string(o.Kind)+string(o.Severity)+o.Text)
		}
	}
	var is []string
	for _, f := range v.found {
		is = append(is, string(f.Kind)+string(f.Severity)+f.Text)
	}
	slices.Sort(was)
	slices.Sort(is)
	return !slices.Equal(was, is)
}

// verdicts looks at all plans, storages and tokens, at the server itself, and at what is no longer there.
func (t *task) verdicts(open []backstay.Alert) (all []verdict, err error) {
	there := map[string]bool{}
	add := func(th thing, kind backstay.AlertKind, f alert.Finding, is bool) {
		there[th.id] = true
		all = append(all, verdict{th, []backstay.AlertKind{kind}, findings(f, is)})
	}
	plans, err := db.All[backstay.Plan](t.ctx, t.tx)
	if err != nil {
		return nil, err
	}
	good, err := t.tx.LastGoods(t.ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		f, is := alert.Overdue(p, good[p.ID], t.app.now())
		add(thingOfPlan(p), backstay.AlertBackupOverdue, f, is)
	}
	storages, err := db.All[backstay.Storage](t.ctx, t.tx)
	if err != nil {
		return nil, err
	}
	for _, s := range storages {
		f, is, err := t.lookAtStorage(s)
		if err != nil {
			return nil, err
		}
		add(thingOfStorage(s), backstay.AlertStorageLimit, f, is)
	}
	tokens, err := db.All[backstay.Token](t.ctx, t.tx)
	if err != nil {
		return nil, err
	}
	for _, token := range tokens {
		f, is := alert.Token(token, t.app.now())
		add(thingOfToken(token), backstay.AlertTokenExpiring, f, is)
	}
	th, found, err := t.lookAtServer()
	if err != nil {
		return nil, err
	}
	there[th.id] = true
	all = append(all, verdict{th, []backstay.AlertKind{backstay.AlertServerBackup}, found})
	if err := t.serverVerdicts(add); err != nil {
		return nil, err
	}
	repositories, err := db.All[backstay.Repository](t.ctx, t.tx)
	for _, r := range repositories {
		there[r.ID] = true
	}
	return append(all, gone(open, there)...), err
}

// serverVerdicts looks at what belongs to the server itself.
func (t *task) serverVerdicts(add func(thing, backstay.AlertKind, alert.Finding, bool)) error {
	sinks, err := t.sinksToJudge()
	if err != nil {
		return err
	}
	for _, s := range sinks {
		f, is := alert.Sink(s, t.app.now())
		add(thingOfSink(s), backstay.AlertSinkFailing, f, is)
	}
	certificates, err := t.tx.Certificates(t.ctx)
	for _, c := range certificates {
		f, is := alert.Certificate(c, t.app.now())
		add(thingOfCertificate(c), backstay.AlertCertificate, f, is)
	}
	return err
}

// gone are the verdicts about what is no longer there: nothing is wrong with it any more.
func gone(open []backstay.Alert, there map[string]bool) (all []verdict) {
	for _, o := range open {
		if !there[o.ObjectID] {
			all = append(all, verdict{thing: thing{id: o.ObjectID}, kinds: []backstay.AlertKind{o.Kind}})
		}
	}
	return all
}

// remind tells of the open alerts again that nobody takes care of, as the rules say.
func (t *task) remind() error {
	rules, err := db.All[backstay.NotificationRule](t.ctx, t.tx, db.Condition{Column: "reminder_hours", Op: db.Since, Value: 1})
	if err != nil || len(rules) == 0 {
		return err
	}
	open, err := t.tx.OpenAlerts(t.ctx, "", nil)
	if err != nil {
		return err
	}
	for _, v := range open {
		for _, r := range rules {
			if err := t.remindOf(v, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *task) remindOf(v backstay.Alert, r backstay.NotificationRule) error {
	h := happeningOf(v, "alert.opened", "")
	if v.AcknowledgedAt != nil || !notify.Takes(r, h.Event) {
		return nil
	}
	told, err := t.tx.LastTold(t.ctx, v.ID, r.Channel)
	if errors.Is(err, db.ErrNotFound) {
		told, err = v.OpenedAt, nil // the rule is newer
	}
	if err != nil {
		return err
	}
	at, ok := notify.Reminder(r, v.Severity, told)
	if !ok || t.app.now().Before(at) {
		return nil
	}
	if may, err := t.mayHear(r, h); err != nil || !may {
		return err
	}
	h = happeningOf(v, "alert.reminder", fmt.Sprintf("%s-reminder-%d", v.ID, at.Unix()))
	h.subject = "still open: " + h.subject
	due, digest := notify.Due(r, v.Severity, t.app.now())
	return t.enqueue(h, backstay.Delivery{Channel: r.Channel, Rule: r.ID, Digest: digest, Due: due.UTC().Truncate(time.Microsecond)})
}
