package api_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/db"
)

// What things are called beside the plural of their noun, where an operation needs one that is special.
const (
	secretStorages     = "secret-storages"
	secretSources      = "secret-sources"
	protectedSnapshots = "protected-snapshots" // which nobody deletes
	restoresInPlace    = "restores-in-place"   // over the original
)

// project makes a project with one of each thing that people make, and starts a backup.
func (w *world) project(t *testing.T, name string, things map[string]object) string {
	t.Helper()
	p := ""
	create := func(many, key string, body map[string]any) string {
		t.Helper()
		var made struct {
			ID, Owner string
			Scope     backstay.Scope
		}
		if p != "" {
			body["project"] = p
		}
		if many != "notification-rules" {
			body["name"] = name + " " + key
		}
		w.Owner.Post(t, "/"+many, body, &made)
		things[key] = object{made.ID, made.Scope, made.Owner}
		return made.ID
	}
	p = create("projects", "projects", map[string]any{})
	folder := t.TempDir()
	write(t, folder, name+".txt", "What "+name+" is about.\n")
	if w.folder == "" {
		w.folder = folder
	}
	source := create("sources", "sources", map[string]any{"kind": "files", "settings": map[string]string{"paths": folder}})
	create("sources", secretSources, map[string]any{"kind": "remote", "settings": map[string]string{"location": "s3:http://127.0.0.1:1/bucket", "options": "s3.access-key-id=a\ns3.secret-access-key=" + name}})
	create("modules", "modules", map[string]any{"source": source, "paths": []string{folder}})
	storage := create("storages", "storages", map[string]any{"location": t.TempDir()})
	create("storages", secretStorages, map[string]any{"location": "s3:http://127.0.0.1:1/bucket", "settings": map[string]string{"access-key-id": "a", "secret-access-key": name + " secret"}})
	repository := create("repositories", "repositories", map[string]any{"storage": storage, "password": name + " password of a repository"})
	plan := create("plans", "plans", map[string]any{"sources": []string{source}, "repositories": []string{repository}, "type": "full", "verify": "none"})
	settings := w.hook.settings("/" + name)
	channel := create("channels", "channels", map[string]any{"kind": "webhook", "settings": settings})
	create("notification-rules", "notification-rules", map[string]any{"channel": channel, "events": []string{"schedule.missed"}})
	w.Owner.Post(t, "/plans/"+plan+"/start", nil, nil)
	return p
}

// settle waits until no run waits or is at work.
func (w *world) settle(t *testing.T) {
	t.Helper()
	soon(t, "the end of all runs", func() bool {
		left := 0
		err := w.db.Read(t.Context(), func(tx *db.Tx) (err error) {
			left, err = db.Count[backstay.Run](t.Context(), tx, db.Condition{Column: "state", Op: db.OneOf, Value: []string{string(backstay.Pending), string(backstay.Running)}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return left == 0
	})
}

// backedUp adds what there is once a backup was made: its snapshot, and what the server and people make of it.
func (w *world) backedUp(t *testing.T, name string, things map[string]object) {
	t.Helper()
	place := func(kind, id, in string) (backstay.Record, backstay.Placed) {
		return stamp(id), backstay.Placed{Project: things["projects"].id, Owner: w.owner, Scope: things[in].scope.Of(kind, id)}
	}
	var run backstay.Run
	run.Record, run.Placed = place("run", name+"-run", "sources")
	run.Kind, run.State, run.Plan, run.Type, run.Trigger, run.Attempt = backstay.RunBackup, backstay.Succeeded, things["plans"].id, "full", "person", 1
	run.Sources, run.Repositories, run.DueAt = []string{things["sources"].id}, []string{things["repositories"].id}, run.CreatedAt
	run.StartedAt, run.EndedAt = &run.CreatedAt, &run.CreatedAt
	var alert backstay.Alert
	alert.Record, alert.Placed = place("alert", name+"-alert", "sources")
	alert.Kind, alert.Severity, alert.Plan, alert.Object, alert.ObjectID = backstay.AlertRunUnusual, backstay.SeverityWarning, run.Plan, "repository", things["repositories"].id // of which no run resolves such a one
	alert.Name, alert.Text, alert.Next, alert.Open, alert.OpenedAt = name, "It was slow.", "Look why.", true, alert.CreatedAt
	var delivery backstay.Delivery
	delivery.Record, delivery.Placed = place("delivery", name+"-delivery", "channels")
	delivery.Channel, delivery.Event, delivery.EventID, delivery.Severity = things["channels"].id, "run.failed", "x", backstay.SeverityError
	delivery.Subject, delivery.State, delivery.Due, delivery.Next = name, backstay.DeliverySent, delivery.CreatedAt, delivery.CreatedAt
	delivery.Message = json.RawMessage("{}")
	w.write(t, func(tx *db.Tx) error {
		for _, insert := range []func() error{
			func() error { return db.Insert(t.Context(), tx, &run) },
			func() error { return db.Insert(t.Context(), tx, &alert) },
			func() error { return db.Insert(t.Context(), tx, &delivery) },
		} {
			if err := insert(); err != nil {
				return err
			}
		}
		made, err := db.FindBy[backstay.Snapshot](t.Context(), tx, "repository", things["repositories"].id)
		if err != nil {
			return err
		}
		things["snapshots"] = object{made.ID, made.Scope, made.Owner}
		return nil
	})
	things["runs"], things["alerts"], things["deliveries"] = object{run.ID, run.Scope, run.Owner}, object{alert.ID, alert.Scope, alert.Owner}, object{delivery.ID, delivery.Scope, delivery.Owner}
	things[protectedSnapshots] = w.snapshot(t, name+"-protected", things, true)
	things["restores"] = w.restore(t, name+"-restore", things, func(r *backstay.Restore) { r.State = backstay.RestoreDone })
	things[restoresInPlace] = w.restore(t, name+"-restore-in-place", things, func(r *backstay.Restore) {
		r.State, r.Target, r.Folder = backstay.RestoreDone, backstay.TargetOriginal, ""
	})
}

// snapshot records a snapshot that the repository doesn't have.
func (w *world) snapshot(t *testing.T, id string, things map[string]object, protected bool) object {
	t.Helper()
	var of backstay.Snapshot
	w.write(t, func(tx *db.Tx) (err error) {
		if of, err = db.Find[backstay.Snapshot](t.Context(), tx, things["snapshots"].id); err != nil {
			return err
		}
		of.Record, of.Protected, of.Scope = stamp(id), protected, things["sources"].scope.Of("snapshot", id)
		of.Handle = fmt.Sprintf("%x", sha256.Sum256([]byte(id)))
		of.Original = of.Handle
		return db.Insert(t.Context(), tx, &of)
	})
	return object{of.ID, of.Scope, of.Owner}
}

// restore records a restore to a folder, with its plan and its report.
func (w *world) restore(t *testing.T, id string, things map[string]object, change func(*backstay.Restore)) object {
	t.Helper()
	r := backstay.Restore{Record: stamp(id), Placed: backstay.Placed{Project: things["projects"].id, Owner: w.owner, Scope: things["sources"].scope.Of("restore", id)},
		Snapshot: things["snapshots"].id, Source: things["sources"].id, Target: backstay.TargetFolder, Folder: filepath.Join(t.TempDir(), "restored"),
		Conflicts: "overwrite", State: backstay.RestorePlanned, PlanFile: id + ".plan", Result: entry.Totals{}}
	folder := filepath.Join(w.Data, "restores")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	plan, err := os.Create(filepath.Join(folder, r.PlanFile))
	if err != nil {
		t.Fatal(err)
	}
	changes := []entry.Change{{Path: "canary/" + id, Type: entry.File, Action: entry.Create, Size: 1}}
	r.Totals, err = entry.WritePlan(plan, func(yield func(entry.Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Close(); err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(changes[0])
	if err != nil {
		t.Fatal(err)
	}
	write(t, folder, id+".report", string(line)+"\n")
	now := time.Now().UTC().Truncate(time.Microsecond)
	r.PlannedAt = &now
	if change != nil {
		change(&r)
	}
	w.write(t, func(tx *db.Tx) error { return db.Insert(t.Context(), tx, &r) })
	return object{r.ID, r.Scope, r.Owner}
}

// nothing is a world of which no thing is there: what is asked about it, has to be answered as what somebody must not know of.
func (w *world) nothing() *world {
	other := *w
	other.things = map[string]object{}
	for many, o := range w.things {
		o.id = "nothing"
		other.things[many] = o
	}
	return &other
}

// throughModules are the operations that somebody who has a role in a module may do with the part of a snapshot that belongs to it.
var throughModules = []string{"list-snapshot-entries", "diff-snapshots", "get-snapshot-content", "download-snapshot", "get-history", "plan-restore", "backup-download"}

// byModule says whether somebody may because of a role in a module, and not in more.
func (w *world) byModule(r route, who backstay.Actor, p backstay.Permission) bool {
	m, s := w.things["modules"], w.things["snapshots"]
	if d := backstay.Decide(who, p, s.scope, s.owner); d.Allowed || d.NeedFresh {
		return false
	}
	denied := slices.ContainsFunc(who.Rights, func(right backstay.Right) bool {
		return right.Effect == backstay.Deny && right.Scope.Covers(s.scope) && right.Role.Allowance(p) != backstay.Never
	})
	return slices.Contains(throughModules, r.id) && !denied && backstay.Decide(who, p, m.scope, m.owner).Allowed
}
