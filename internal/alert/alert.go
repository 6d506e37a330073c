// Package alert says what somebody has to look at, from what is known of plans, runs, repositories, storages and tokens.
//
// A Finding is one thing that is wrong with one object at the moment. Each function looks at one object and returns what it finds of the
// kinds that it names; what it does not find is not so, or no longer. The package is pure: it reads nothing, stores nothing and tells nobody.
// Whoever calls it opens an alert for each finding that has none and resolves those whose finding is gone.
package alert

import (
	"fmt"
	"slices"
	"time"

	"github.com/backstay/backstay"
)

// Finding is what is wrong with an object.
type Finding struct {
	Kind       backstay.AlertKind
	Severity   backstay.Severity
	Run        string // the run that showed it
	Text, Next string
	CleanUp    []backstay.CleanUp
}

// Grace is how long after two periods a backup may still be on its way before it counts as overdue.
const Grace = time.Hour

// tokenAhead is how long before its end a token is told of.
const tokenAhead = 7 * 24 * time.Hour

// RunKinds are the kinds that Runs finds.
var RunKinds = []backstay.AlertKind{backstay.AlertRunFailed, backstay.AlertScheduleMissed, backstay.AlertRunUnusual}

// Runs looks at the ended backups of a plan, the newest first. Those that somebody cancelled say nothing.
func Runs(runs []backstay.Run) (found []Finding) {
	runs = slices.DeleteFunc(slices.Clone(runs), func(r backstay.Run) bool { return r.State == backstay.Stopped || !r.State.Ended() })
	if len(runs) == 0 {
		return nil
	}
	for _, r := range runs {
		if r.State.Good() {
			break
		}
		if r.State == backstay.Missed {
			found = append(found, Finding{Kind: backstay.AlertScheduleMissed, Severity: backstay.SeverityWarning, Run: r.ID,
				Text: "The backup that was due at " + stamp(r.DueAt) + " didn't take place: " + why(r), Next: next(r, "Start the plan now, or let it catch up on missed runs.")})
			break
		}
	}
	attempted := slices.IndexFunc(runs, func(r backstay.Run) bool { return r.State != backstay.Missed })
	if attempted < 0 {
		return found
	}
	last := runs[attempted]
	if !last.State.Good() {
		return append(found, failed(last))
	}
	if f, ok := unusual(last, runs[attempted+1:]); ok {
		found = append(found, f)
	}
	return found
}

func failed(r backstay.Run) Finding {
	f := Finding{Kind: backstay.AlertRunFailed, Severity: backstay.SeverityError, Run: r.ID, Text: "The last backup failed: " + why(r),
		Next: next(r, "Look into the log of the run, then start the plan again.")}
	if r.State == backstay.RanPartly {
		f.Text = "The last backup didn't reach all repositories: " + why(r)
	}
	return f
}

func why(r backstay.Run) string {
	if r.Failure == nil {
		return "no reason is known"
	}
	if r.Failure.Code == "" {
		return r.Failure.Text
	}
	return r.Failure.Text + " (" + r.Failure.Code + ")"
}

func next(r backstay.Run, otherwise string) string {
	if r.Failure == nil || r.Failure.Hint == "" {
		return otherwise
	}
	return r.Failure.Hint
}

// Overdue looks whether an active plan has made no good backup for two periods of its schedule. Good is when its last one ended; the zero
// time stands for none. A plan without a schedule is never overdue: nobody said when it should have run.
func Overdue(p backstay.Plan, good, now time.Time) (f Finding, is bool) {
	if !p.Active {
		return f, false
	}
	since := good
	if good.IsZero() {
		since = p.CreatedAt
	}
	first, err := p.Schedule.Next(since, p.ID)
	if err != nil || first.IsZero() {
		return f, false
	}
	second, err := p.Schedule.Next(first, p.ID)
	if err != nil || second.IsZero() || now.Before(second.Add(Grace)) {
		return f, false
	}
	f = Finding{Kind: backstay.AlertBackupOverdue, Severity: backstay.SeverityCritical, Text: "There has been no good backup since " + stamp(good) + ".",
		Next: "Look at the last runs of the plan, put right what kept them, and start it."}
	if good.IsZero() {
		f.Text = "There has been no good backup yet, since the plan was made at " + stamp(since) + "."
	}
	return f, true
}

// levels are those of verifications, each of which includes those before.
var levels = []string{"", "structure", "sample", "full"}

// Verification looks at the ended verifications that worked on a repository, the newest first. What one has found wrong stays so until one
// that looks at least as closely finds nothing.
func Verification(repository string, runs []backstay.Run) (f Finding, is bool) {
	clean := -1
	for _, r := range runs {
		i := slices.IndexFunc(r.Outcomes, func(o backstay.Outcome) bool { return o.Repository == repository })
		level := slices.Index(levels, r.Options.Level)
		switch {
		case i < 0 || clean >= level:
		case r.Outcomes[i].Failure == nil:
			clean = level
		default:
			r.Failure = r.Outcomes[i].Failure
			return Finding{Kind: backstay.AlertVerificationFailed, Severity: backstay.SeverityCritical, Run: r.ID, Text: "The verification failed: " + why(r),
				Next: next(r, "Look into the log of the run: it names what is damaged, and how it is repaired.")}, true
		}
	}
	return f, false
}

// Token looks whether a token is refused soon, or has been refused for as long.
func Token(t backstay.Token, now time.Time) (f Finding, is bool) {
	if now.Before(t.ExpiresAt.Add(-tokenAhead)) || now.After(t.ExpiresAt.Add(tokenAhead)) {
		return f, false
	}
	return Finding{Kind: backstay.AlertTokenExpiring, Severity: backstay.SeverityWarning, Text: fmt.Sprintf("The API token %q is refused from %s on.", t.Name, stamp(t.ExpiresAt)),
		Next: "Make a new one, give it to the program that uses this one, and delete this one."}, true
}

// sinkPatience is how long a sink of the audit trail may take nothing: a receiver that starts anew is back by then.
const sinkPatience = 15 * time.Minute

// Sink looks whether a sink of the audit trail has been failing for long.
func Sink(s backstay.AuditSink, now time.Time) (f Finding, is bool) {
	since := s.Status.FailingSince
	if since == nil || now.Before(since.Add(sinkPatience)) {
		return f, false
	}
	return Finding{Kind: backstay.AlertSinkFailing, Severity: backstay.SeverityError, Text: fmt.Sprintf("It has taken nothing of the audit trail since %s: %s", stamp(*since), s.Status.Error),
		Next: "Look whether its receiver runs and can be reached, and at the settings of the sink. Nothing is lost: what it lacks is sent once it takes it. If the trail itself is said to be changed or cut, verify it with the heads that the receiver has."}, true
}

// How long before its end the certificate of a server is told of. One that the server made itself is renewed earlier, and so is not told of.
const (
	certificateAhead  = 14 * 24 * time.Hour
	certificateUrgent = 3 * 24 * time.Hour
)

// Certificate looks whether the certificate of a server is refused soon, or already.
func Certificate(c backstay.Certificate, now time.Time) (f Finding, is bool) {
	left := c.NotAfter.Sub(now)
	if left > certificateAhead {
		return f, false
	}
	f = Finding{Kind: backstay.AlertCertificate, Severity: backstay.SeverityWarning, Text: fmt.Sprintf("The certificate of %s (%s) is refused from %s on.", c.ID, c.Subject, stamp(c.NotAfter)),
		Next: "Put a newer one into the files that --tls-certificate and --tls-key name: it is used within a minute."}
	switch {
	case left <= 0:
		f.Severity, f.Text = backstay.SeverityCritical, fmt.Sprintf("The certificate of %s (%s) is out of date since %s: browsers and programs refuse it.", c.ID, c.Subject, stamp(c.NotAfter))
	case left <= certificateUrgent:
		f.Severity = backstay.SeverityError
	}
	return f, true
}

// stamp is a time as people read it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
