package backstay

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// rule is one in which everything is used and right.
func rule() NotificationRule {
	return NotificationRule{Record: Record{ID: "r"}, Placed: Placed{Project: "p"}, Channel: "c", Events: []string{"run.failed", "run.*", "*"}, MinSeverity: SeverityWarning,
		Quiet:  &QuietHours{From: "22:00", To: "07:00", Zone: "Europe/Berlin", CriticalPasses: true},
		Digest: &Digest{Every: DigestDaily, At: "08:00", Zone: "America/New_York"}, ReminderHours: 24}
}

func TestARuleThatMakesSensePasses(t *testing.T) {
	if err := rule().Check(); err != nil {
		t.Errorf("Check = %v", err)
	}
	if err := (NotificationRule{Placed: Placed{Project: "p"}, Channel: "c", Events: []string{"*"}}).Check(); err != nil {
		t.Errorf("Check of the least rule = %v", err)
	}
}

func TestARuleThatMakesNoSenseIsRefused(t *testing.T) {
	for what, spoil := range map[string]func(*NotificationRule){
		"needs a channel":      func(r *NotificationRule) { r.Channel = "" },
		"at least one event":   func(r *NotificationRule) { r.Events = nil },
		`event "run"x"`:        func(r *NotificationRule) { r.Events = []string{`run"x`} },
		`event ""`:             func(r *NotificationRule) { r.Events = []string{"run.failed", ""} },
		`event "run*"`:         func(r *NotificationRule) { r.Events = []string{"run*"} },
		`event "*.failed"`:     func(r *NotificationRule) { r.Events = []string{"*.failed"} },
		`severity "fatal"`:     func(r *NotificationRule) { r.MinSeverity = "fatal" },
		"every -1 hours":       func(r *NotificationRule) { r.ReminderHours = -1 },
		"every 10000 hours":    func(r *NotificationRule) { r.ReminderHours = 10000 },
		`"24:00"`:              func(r *NotificationRule) { r.Quiet.To = "24:00" },
		`"7:00"`:               func(r *NotificationRule) { r.Quiet.From = "7:00" },
		`"07:0x"`:              func(r *NotificationRule) { r.Quiet.From = "07:0x" },
		`"+7:00"`:              func(r *NotificationRule) { r.Quiet.From = "+7:00" },
		"never end":            func(r *NotificationRule) { r.Quiet.To = r.Quiet.From },
		`zone "Mars/Olympus"`:  func(r *NotificationRule) { r.Quiet.Zone = "Mars/Olympus" },
		`zone ""`:              func(r *NotificationRule) { r.Digest.Zone = "" },
		`zone "Local"`:         func(r *NotificationRule) { r.Digest.Zone = "Local" },
		`zone "../etc/passwd"`: func(r *NotificationRule) { r.Digest.Zone = "../etc/passwd" },
		`digest "weekly"`:      func(r *NotificationRule) { r.Digest.Every = "weekly" },
		`time of day ""`:       func(r *NotificationRule) { r.Digest.At = "" },
		"no time of day":       func(r *NotificationRule) { r.Digest.Every = DigestHourly },
	} {
		r := rule()
		spoil(&r)
		err := r.Check()
		var e *Error
		if !errors.As(err, &e) || e.Kind != Invalid || !strings.Contains(strings.ReplaceAll(err.Error(), `\`, ""), what) {
			t.Errorf("Check = %v, want one of kind invalid with %s", err, what)
		}
	}
}

func TestSeveritiesHaveAnOrder(t *testing.T) {
	for i, s := range severities {
		for j, least := range severities {
			if got := s.AtLeast(least); got != (i >= j) {
				t.Errorf("%q.AtLeast(%q) = %t", s, least, got)
			}
		}
	}
	if !SeverityInfo.AtLeast("") || SeverityInfo.AtLeast(SeverityWarning) {
		t.Error("info is not at least nothing, or is at least a warning")
	}
}

func TestARuleIsReadBackFromItsJSON(t *testing.T) {
	const want = `{"id":"r","created_at":"0001-01-01T00:00:00Z","updated_at":"0001-01-01T00:00:00Z","version":0,"project":"p","scope":"","channel":"c","events":["run.failed","run.*","*"],"min_severity":"warning",` +
		`"quiet":{"from":"22:00","to":"07:00","zone":"Europe/Berlin","critical_passes":true},` +
		`"digest":{"every":"daily","at":"08:00","zone":"America/New_York"},"reminder_hours":24}`
	got, err := json.Marshal(rule())
	if err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v, want %s", got, err, want)
	}
	var back NotificationRule
	if err := json.Unmarshal(got, &back); err != nil || back.Check() != nil {
		t.Errorf("Unmarshal = %v, Check = %v", err, back.Check())
	}
}
