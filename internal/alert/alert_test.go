package alert

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/schedule"
)

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// run is a backup that took some minutes and read some MiB.
func run(state backstay.RunState, minutes int, mib int64) backstay.Run {
	begun := now.Add(-time.Duration(minutes) * time.Minute)
	return backstay.Run{Record: backstay.Record{ID: fmt.Sprint(state, minutes, mib)}, State: state, StartedAt: &begun, EndedAt: &now, Figures: backstay.Figures{Bytes: mib << 20}}
}

func kinds(found []Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, string(f.Kind))
		if f.Text == "" || f.Next == "" || f.Severity == "" {
			all = append(all, "incomplete")
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestWhatRunsShow(t *testing.T) {
	good, failed, missed, stopped, partial := run(backstay.Succeeded, 5, 100), run(backstay.RunFailed, 5, 0), run(backstay.Missed, 0, 0), run(backstay.Stopped, 1, 0), run(backstay.RanPartly, 5, 100)
	usual := []backstay.Run{good, run(backstay.Warned, 6, 110), run(backstay.Succeeded, 4, 90), run(backstay.Succeeded, 5, 105), good}
	for _, c := range []struct {
		name string
		runs []backstay.Run
		want string
	}{
		{"none", nil, ""},
		{"a good one", []backstay.Run{good, failed}, ""},
		{"a failed one", []backstay.Run{failed, good}, "run-failed"},
		{"one that some repositories don't have", []backstay.Run{partial}, "run-failed"},
		{"a failed one, and the next was cancelled", []backstay.Run{stopped, failed, good}, "run-failed"},
		{"a missed one after a good one", []backstay.Run{missed, good}, "schedule-missed"},
		{"a missed one after a failed one", []backstay.Run{missed, failed}, "run-failed schedule-missed"},
		{"a missed one that was made up for", []backstay.Run{good, missed}, ""},
		{"one as usual", append([]backstay.Run{run(backstay.Succeeded, 7, 120)}, usual...), ""},
		{"one much slower", append([]backstay.Run{run(backstay.Succeeded, 60, 100)}, usual...), "run-unusual"},
		{"one much faster", append([]backstay.Run{run(backstay.Succeeded, 0, 100)}, usual...), ""},
		{"one much larger", append([]backstay.Run{run(backstay.Succeeded, 5, 1000)}, usual...), "run-unusual"},
		{"one much smaller", append([]backstay.Run{run(backstay.Succeeded, 5, 10)}, usual...), "run-unusual"},
		{"one much larger when too little is known", append([]backstay.Run{run(backstay.Succeeded, 5, 1000)}, usual[:4]...), ""},
		{"one that is larger by little", append([]backstay.Run{run(backstay.Succeeded, 0, 5)}, slices.Repeat([]backstay.Run{run(backstay.Succeeded, 0, 1)}, 9)...), ""},
		{"one of another type", append([]backstay.Run{{Type: "full", State: backstay.Succeeded, Figures: backstay.Figures{Bytes: 1 << 40}}}, usual...), ""},
	} {
		if got := kinds(Runs(c.runs)); got != c.want {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

func TestABackupIsOverdueAfterTwoPeriods(t *testing.T) {
	daily := backstay.Plan{Record: backstay.Record{ID: "p", CreatedAt: now}, Active: true, Schedule: schedule.Schedule{Every: "day", At: "12:00"}}
	idle, byHand := daily, daily
	idle.Active, byHand.Schedule = false, schedule.Schedule{}
	for _, c := range []struct {
		name  string
		plan  backstay.Plan
		good  time.Time
		hours int
		want  bool
	}{
		{"one good, a day later", daily, now, 25, false},
		{"one good, two days later", daily, now, 48, false},
		{"one good, two days and more than the grace later", daily, now, 50, true},
		{"none good, two days later", daily, time.Time{}, 50, true},
		{"a plan that is not active", idle, now, 500, false},
		{"a plan without a schedule", byHand, now, 500, false},
	} {
		if _, got := Overdue(c.plan, c.good, now.Add(time.Duration(c.hours)*time.Hour)); got != c.want {
			t.Errorf("%s: overdue = %t, want %t", c.name, got, c.want)
		}
	}
}

func TestOnlyAsCloseALookClearsADamage(t *testing.T) {
	look := func(level string, bad bool) backstay.Run {
		r := backstay.Run{State: backstay.Succeeded, Options: backstay.RunOptions{Level: level}, Outcomes: []backstay.Outcome{{Repository: "r"}}}
		if bad {
			r.Outcomes[0].Failure = &backstay.Failure{Code: "BST-7008", Text: "3 errors"}
		}
		return r
	}
	for _, c := range []struct {
		name string
		runs []backstay.Run
		want bool
	}{
		{"nothing was verified", nil, false},
		{"damage", []backstay.Run{look("full", true), look("full", false)}, true},
		{"damage, and then a look at the structure", []backstay.Run{look("structure", false), look("full", true)}, true},
		{"damage, and then all was read", []backstay.Run{look("full", false), look("full", true)}, false},
		{"damage of the structure, and then all was read", []backstay.Run{look("full", false), look("structure", true)}, false},
		{"a run that never came to the repository", []backstay.Run{{Options: backstay.RunOptions{Level: "full"}, State: backstay.RunFailed}, look("full", false)}, false},
	} {
		if _, got := Verification("r", c.runs); got != c.want {
			t.Errorf("%s: failed = %t, want %t", c.name, got, c.want)
		}
	}
}

func TestAStorageAboveItsLimitSaysWhatToCleanUp(t *testing.T) {
	later := now.AddDate(1, 0, 0)
	repositories := []backstay.Repository{{Record: backstay.Record{ID: "small"}, Bytes: 10}, {Record: backstay.Record{ID: "large"}, Bytes: 90}}
	var snapshots []backstay.Snapshot
	for i := range 8 {
		snapshots = append(snapshots, backstay.Snapshot{Record: backstay.Record{ID: fmt.Sprint(i)}, Handle: fmt.Sprint("handle", i), Time: now.AddDate(0, 0, i), Added: int64(i)})
	}
	snapshots[0].Protected, snapshots[1].KeptUntil = true, &later
	if _, is := Storage(backstay.Storage{Limit: 100}, repositories, snapshots, now); is {
		t.Error("a storage that is as full as it may be is above its limit")
	}
	if _, is := Storage(backstay.Storage{}, repositories, snapshots, now); is {
		t.Error("a storage without a limit is above it")
	}
	f, is := Storage(backstay.Storage{Limit: 99}, repositories, snapshots, now)
	var ids []string
	for _, c := range f.CleanUp {
		ids = append(ids, fmt.Sprint(c.ID, "=", c.Bytes))
	}
	if got, want := strings.Join(ids, " "), "4=4 3=3 2=2 large=90 small=10"; !is || got != want {
		t.Errorf("clean up %q, want %q: of the older half that nothing protects", got, want)
	}
}

func TestATokenIsToldOfAroundItsEnd(t *testing.T) {
	for days, want := range map[int]bool{-8: false, -6: true, 6: true, 8: false} {
		if _, got := Token(backstay.Token{ExpiresAt: now.AddDate(0, 0, days)}, now); got != want {
			t.Errorf("%d days before its end: %t, want %t", days, got, want)
		}
	}
}
