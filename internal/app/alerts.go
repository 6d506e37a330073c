package app

import (
	"context"
	"errors"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/alert"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/notify"
)

func (a *App) alerts() *Noun[backstay.Alert, *backstay.Alert] {
	return &Noun[backstay.Alert, *backstay.Alert]{app: a, Kind: "alert", Read: backstay.ReadSources, Manage: backstay.StartRuns,
		Filters: []string{"open", "kind", "severity", "plan", "object", "object_id"},
		name:    func(v *backstay.Alert) string { return v.Name }}
}

// AcknowledgeAlert notes that somebody takes care of an alert: nobody is reminded of it any more. It stays open until it is resolved.
func (a *App) AcknowledgeAlert(ctx context.Context, who backstay.Actor, id string) (v backstay.Alert, err error) {
	err = a.change(ctx, who, "alert.acknowledged", func(t *task) error {
		if v, err = a.Alerts.find(t, id); err != nil {
			return err
		}
		if err := t.allow(backstay.StartRuns, v.Scope, v.Owner); err != nil {
			return err
		}
		if !v.Open {
			return backstay.Errorf(backstay.Conflict, "the alert is resolved already")
		}
		old, now := v, a.now()
		v.AcknowledgedBy, v.AcknowledgedAt, v.UpdatedAt = who.User, &now, now
		if err := db.Update(ctx, t.tx, &v); err != nil {
			return err
		}
		return t.changed(old, v)
	})
	return v, err
}

// thing is what alerts are about.
type thing struct {
	object, id, name string
	plan             string
	project, owner   string
	scope            backstay.Scope
}

func thingOfPlan(p backstay.Plan) thing {
	th := thing{object: "plan", id: p.ID, name: p.Name, plan: p.ID, project: p.Project, owner: p.Owner, scope: p.Scope}
	if len(p.Sources) == 1 {
		th.scope = backstay.ProjectScope(p.Project).Of("source", p.Sources[0]) // whoever may see that sees its alerts
	}
	return th
}

func thingOfRepository(r backstay.Repository) thing {
	return thing{object: "repository", id: r.ID, name: r.Name, project: r.Project, owner: r.Owner, scope: r.Scope}
}

func thingOfStorage(s backstay.Storage) thing {
	return thing{object: "storage", id: s.ID, name: s.Name, project: s.Project, owner: s.Owner, scope: s.Scope}
}

func thingOfToken(t backstay.Token) thing {
	return thing{object: "token", id: t.ID, name: t.Name, owner: t.User, scope: backstay.System.Of("token", t.ID)}
}

func thingOfSink(s backstay.AuditSink) thing {
	return thing{object: "audit-sink", id: s.ID, name: s.Name, scope: backstay.System.Of("audit-sink", s.ID)}
}

func thingOfCertificate(c backstay.Certificate) thing {
	return thing{object: "certificate", id: c.ID, name: c.ID, scope: backstay.System.Of("certificate", c.ID)}
}

// alarm opens and resolves alerts within a transaction, and tells of them. Their audit events are written at its end, since who writes one
// keeps all others waiting.
type alarm struct {
	*task
	told  map[string]bool // channels that know by now why the transaction is
	trail []*task
}

func (a *App) alarm(ctx context.Context, tx *db.Tx) *alarm {
	t := a.task(ctx, backstay.Server, "")
	t.tx = tx
	return &alarm{task: t, told: map[string]bool{}}
}

// end writes the audit events.
func (w *alarm) end() error {
	for _, t := range w.trail {
		if err := t.log(backstay.ResultAllowed, t.event.Reason); err != nil {
			return err
		}
	}
	return nil
}

// settle makes the open alerts of some kinds about a thing those that were found.
func (w *alarm) settle(th thing, kinds []backstay.AlertKind, found []alert.Finding) error {
	open, err := w.tx.OpenAlerts(w.ctx, th.id, kinds)
	if err != nil {
		return err
	}
	for _, f := range found {
		i := slices.IndexFunc(open, func(v backstay.Alert) bool { return v.Kind == f.Kind })
		if i < 0 {
			if err := w.open(th, f); err != nil {
				return err
			}
			continue
		}
		v := open[i]
		open = slices.Delete(open, i, i+1)
		if v.Text == f.Text && v.Severity == f.Severity {
			continue
		}
		v.Severity, v.Run, v.Text, v.Next, v.CleanUp, v.UpdatedAt = f.Severity, f.Run, f.Text, f.Next, f.CleanUp, w.app.now()
		if err := w.tx.RetextAlert(w.ctx, v); err != nil {
			return err
		}
	}
	for _, v := range open {
		if err := w.resolve(v); err != nil {
			return err
		}
	}
	return nil
}

func (w *alarm) open(th thing, f alert.Finding) error {
	v := backstay.Alert{Placed: backstay.Placed{Project: th.project, Owner: th.owner}, Kind: f.Kind, Severity: f.Severity, Plan: th.plan, Object: th.object, ObjectID: th.id,
		Name: th.name, Run: f.Run, Text: f.Text, Next: f.Next, CleanUp: f.CleanUp, Open: true}
	w.app.stamp(v.Base())
	v.OpenedAt, v.Scope = v.CreatedAt, th.scope.Of("alert", v.ID)
	opened, err := w.tx.OpenAlert(w.ctx, v)
	if err != nil || !opened {
		return err
	}
	w.note("alert.opened", v)
	return w.tell(happeningOf(v, "alert.opened", v.ID+"-opened"), w.told)
}

func (w *alarm) resolve(v backstay.Alert) error {
	resolved, err := w.tx.ResolveAlert(w.ctx, v.ID, w.app.now())
	if err != nil || !resolved {
		return err
	}
	w.note("alert.resolved", v)
	h := happeningOf(v, "alert.resolved", v.ID+"-resolved")
	h.Severity, h.subject, h.text = v.Severity, "resolved: "+h.subject, "It is well again. What was wrong: "+v.Text
	return w.tell(h, w.told)
}

// note keeps an audit event for the end.
func (w *alarm) note(action string, v backstay.Alert) {
	t := w.app.task(w.ctx, backstay.Server, action)
	t.tx, t.event.Project, t.event.Run, t.event.Reason = w.tx, v.Project, v.Run, string(v.Kind)
	t.on("alert", v.ID, v.Name)
	w.trail = append(w.trail, t)
}

// titles say what an alert is, in a subject.
var titles = map[backstay.AlertKind]string{
	backstay.AlertRunFailed: "the backup failed", backstay.AlertBackupOverdue: "there is no recent backup", backstay.AlertRunUnusual: "the backup was unusual",
	backstay.AlertScheduleMissed: "a backup was missed", backstay.AlertVerificationFailed: "the verification failed",
	backstay.AlertStorageLimit: "it is above its limit", backstay.AlertTokenExpiring: "it expires soon", backstay.AlertCertificate: "it expires soon",
	backstay.AlertSinkFailing: "it does not take the audit trail", backstay.AlertServerBackup: "there is no recent backup of its settings",
}

// happeningOf is what there is to tell of an alert.
func happeningOf(v backstay.Alert, event, id string) happening {
	h := happening{Event: notify.Event{Name: event, Severity: v.Severity, Project: v.Project, Plan: v.Plan}, id: id, alert: v.ID, thread: v.ID, path: "/alerts/" + v.ID,
		subject: label(v.Object, v.Name) + ": " + titles[v.Kind], text: v.Text + "\n\n" + v.Next, scope: v.Scope, owner: v.Owner,
		facts: []notify.Fact{{Name: "alert", Value: string(v.Kind)}, {Name: v.Object, Value: v.Name}, {Name: "since", Value: v.OpenedAt.Format("2006-01-02 15:04 UTC")}}}
	return h
}

// ended does what follows for people from the end of a run: alerts are opened and resolved, and the rules are asked whom to tell. Who is
// told of an alert about the run is not told of the run, too.
func (a *App) ended(ctx context.Context, tx *db.Tx, run backstay.Run) error {
	w := a.alarm(ctx, tx)
	name := ""
	p, err := db.Find[backstay.Plan](ctx, tx, run.Plan)
	switch {
	case err == nil:
		name = p.Name
	case !errors.Is(err, db.ErrNotFound):
		return err
	}
	if err == nil && run.Kind == backstay.RunBackup {
		if err := w.planEnded(p, run); err != nil {
			return err
		}
	}
	if run.Kind == backstay.RunServer {
		if err := w.serverEnded(); err != nil {
			return err
		}
	}
	if run.Kind != backstay.RunBackup {
		if err := w.repositoriesEnded(run); err != nil {
			return err
		}
	}
	if run.Trigger != "server" || run.State != backstay.Succeeded { // of what the server does by itself it tells only what did not go well
		if err := w.tell(happeningOfRun(run, name), w.told); err != nil {
			return err
		}
	}
	return w.end()
}

// recentRuns is how many runs of a plan tell what is usual, and what became of the last ones.
const recentRuns = 50

func (w *alarm) planEnded(p backstay.Plan, run backstay.Run) error {
	runs, err := w.tx.PlanRuns(w.ctx, p.ID, recentRuns)
	if err != nil {
		return err
	}
	if err := w.settle(thingOfPlan(p), alert.RunKinds, alert.Runs(runs)); err != nil || !run.State.Good() {
		return err
	}
	return w.settle(thingOfPlan(p), []backstay.AlertKind{backstay.AlertBackupOverdue}, nil)
}

// repositoriesEnded looks at the repositories of a run, and at their storages.
func (w *alarm) repositoriesEnded(run backstay.Run) error {
	for _, id := range run.Repositories {
		r, err := db.Find[backstay.Repository](w.ctx, w.tx, id)
		if errors.Is(err, db.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if run.Kind == backstay.RunVerification {
			err = w.settleVerification(r)
		} else {
			err = w.settleStorage(r.Storage)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *alarm) settleVerification(r backstay.Repository) error {
	runs, err := w.tx.Verifications(w.ctx, r.ID, recentRuns)
	if err != nil {
		return err
	}
	f, is := alert.Verification(r.ID, runs)
	return w.settle(thingOfRepository(r), []backstay.AlertKind{backstay.AlertVerificationFailed}, findings(f, is))
}

func (w *alarm) settleStorage(id string) error {
	s, err := db.Find[backstay.Storage](w.ctx, w.tx, id)
	if err != nil {
		return err
	}
	f, is, err := w.lookAtStorage(s)
	if err != nil {
		return err
	}
	return w.settle(thingOfStorage(s), []backstay.AlertKind{backstay.AlertStorageLimit}, findings(f, is))
}

// lookAtStorage looks whether a storage is above its limit. The snapshots are only asked for if it is.
func (t *task) lookAtStorage(s backstay.Storage) (f alert.Finding, is bool, err error) {
	repositories, err := db.All[backstay.Repository](t.ctx, t.tx, db.Condition{Column: "storage", Op: db.Is, Value: s.ID})
	if err != nil {
		return f, false, err
	}
	if _, is := alert.Storage(s, repositories, nil, t.app.now()); !is {
		return f, false, nil
	}
	ids := make([]string, len(repositories))
	for i, r := range repositories {
		ids[i] = r.ID
	}
	oldest, _, err := db.List[backstay.Snapshot](t.ctx, t.tx, db.Query{Sort: "time", Limit: db.MaxPage, Reach: db.Everything,
		Where: []db.Condition{{Column: "repository", Op: db.OneOf, Value: ids}}})
	if err != nil {
		return f, false, err
	}
	f, is = alert.Storage(s, repositories, oldest, t.app.now())
	return f, is, nil
}

func findings(f alert.Finding, is bool) []alert.Finding {
	if !is {
		return nil
	}
	return []alert.Finding{f}
}

// runSeverities say how much the end of a run matters.
var runSeverities = map[backstay.RunState]backstay.Severity{backstay.Warned: backstay.SeverityWarning, backstay.Missed: backstay.SeverityWarning,
	backstay.RanPartly: backstay.SeverityError, backstay.RunFailed: backstay.SeverityError}

// happeningOfRun is what there is to tell of a run that ended.
func happeningOfRun(run backstay.Run, plan string) happening {
	severity, ok := runSeverities[run.State]
	if !ok {
		severity = backstay.SeverityInfo
	}
	h := happening{Event: notify.Event{Name: "run." + string(run.State), Severity: severity, Project: run.Project, Plan: run.Plan}, id: run.ID + "-ended",
		subject: string(run.Kind) + ": " + string(run.State), thread: run.ID, path: "/runs/" + run.ID, scope: run.Scope, owner: run.Owner,
		facts: []notify.Fact{{Name: "run", Value: string(run.Kind)}, {Name: "state", Value: string(run.State)}, {Name: "took", Value: run.Duration().Round(1e9).String()}}}
	if plan != "" {
		h.subject = label("plan", plan) + ": " + h.subject
	}
	if run.Failure != nil {
		h.text = run.Failure.Text + "\n\n" + run.Failure.Hint
	}
	return h
}
