package retention_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/retention"
)

// now is later than every snapshot of the tables but those that say so.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// at makes a snapshot of "2026-11-20 14:30 +0100 tag,tag"; zone and tags may be left out, the zone then is UTC.
func at(t *testing.T, s string) retention.Snapshot {
	t.Helper()
	fields := strings.Fields(s)
	zone, tags := "+0000", []string(nil)
	for _, f := range fields[2:] {
		if f[0] == '+' || f[0] == '-' {
			zone = f
		} else {
			tags = strings.Split(f, ",")
		}
	}
	when, err := time.Parse("2006-01-02 15:04 -0700", fields[0]+" "+fields[1]+" "+zone)
	if err != nil {
		t.Fatal(err)
	}
	return retention.Snapshot{ID: s, Time: when, Tags: tags}
}

// policyKeeps is the specification: each line of a group is a snapshot, newest first, and after " : " the reasons to keep it.
var policyKeeps = []struct {
	name   string
	policy retention.Policy
	group  []string
}{
	{"everything, without a rule", retention.Policy{}, []string{
		"2026-11-20 10:00 : policy is empty",
		"2016-11-20 10:00 : policy is empty",
	}},
	{"the last two", retention.Policy{Last: 2}, []string{
		"2026-11-20 10:00 : last snapshot",
		"2026-11-20 09:59 : last snapshot",
		"2026-11-20 09:58",
	}},
	{"the newest of each hour", retention.Policy{Hourly: 2}, []string{
		"2026-11-20 10:59 : hourly snapshot",
		"2026-11-20 10:00",
		"2026-11-20 07:15 : hourly snapshot",
		"2026-11-20 06:15",
	}},
	{"the newest of each day that has one, however long ago", retention.Policy{Daily: 3}, []string{
		"2026-11-20 23:59 : daily snapshot",
		"2026-11-20 00:00",
		"2026-11-19 23:59 : daily snapshot",
		"2026-10-01 08:00 : daily snapshot",
		"2026-09-30 08:00",
	}},
	{"weeks from Monday to Sunday, by ISO year", retention.Policy{Weekly: 3}, []string{
		"2021-01-04 00:00 : weekly snapshot",
		"2021-01-03 23:00 : weekly snapshot",
		"2020-12-28 00:00",
		"2020-12-27 23:59 : weekly snapshot",
		"2020-12-20 23:59",
	}},
	{"the newest of each month", retention.Policy{Monthly: 2}, []string{
		"2026-03-01 00:00 : monthly snapshot",
		"2026-02-28 23:59 : monthly snapshot",
		"2026-02-01 00:00",
		"2025-02-28 00:00",
	}},
	{"the newest of each year", retention.Policy{Yearly: 2}, []string{
		"2026-01-01 00:00 : yearly snapshot",
		"2025-12-31 23:59 : yearly snapshot",
		"2025-01-01 00:00",
		"2024-01-01 00:00",
	}},
	{"the oldest too while the count is not used up", retention.Policy{Daily: 3}, []string{
		"2026-11-20 10:00 : daily snapshot",
		"2026-11-19 10:00 : daily snapshot",
		"2026-11-19 09:00",
		"2026-11-19 08:00 : oldest daily snapshot",
	}},
	{"not the oldest once the count is used up", retention.Policy{Daily: 2}, []string{
		"2026-11-20 10:00 : daily snapshot",
		"2026-11-19 10:00 : daily snapshot",
		"2026-11-19 08:00",
	}},
	{"one of every period, unlimited", retention.Policy{Yearly: retention.Unlimited}, []string{
		"2026-02-01 00:00 : yearly snapshot",
		"2026-01-01 00:00",
		"2016-01-01 00:00 : yearly snapshot",
		"2006-02-01 00:00 : yearly snapshot",
		"2006-01-01 00:00 : oldest yearly snapshot",
	}},
	{"what any of several rules keeps", retention.Policy{Last: 1, Daily: 2, Yearly: 1}, []string{
		"2026-11-20 10:00 : last snapshot, daily snapshot, yearly snapshot",
		"2026-11-20 09:00",
		"2026-11-19 09:00 : daily snapshot",
		"2025-11-19 09:00",
	}},
	{"what is younger than a duration, counted from the newest", retention.Policy{Within: retention.Duration{Days: 1, Hours: 2}}, []string{
		"2025-11-20 10:00 : within 1d2h",
		"2025-11-20 09:00 : within 1d2h",
		"2025-11-19 08:01 : within 1d2h",
		"2025-11-19 08:00",
	}},
	{"months as long as they are", retention.Policy{Within: retention.Duration{Months: 1}}, []string{
		"2026-03-31 10:00 : within 1m",
		"2026-03-03 10:01 : within 1m",
		"2026-03-03 10:00",
	}},
	{"the newest of each day within a duration, and the oldest in it only if it is the oldest of all",
		retention.Policy{WithinDaily: retention.Duration{Days: 2}}, []string{
			"2026-11-20 10:00 : daily within 2d",
			"2026-11-20 09:00",
			"2026-11-19 10:00 : daily within 2d",
			"2026-11-19 09:00",
			"2026-11-18 10:00",
		}},
	{"the oldest of all, within a duration", retention.Policy{WithinDaily: retention.Duration{Days: 2}}, []string{
		"2026-11-20 10:00 : daily within 2d",
		"2026-11-20 09:00",
		"2026-11-20 08:00 : oldest daily within 2d",
	}},
	{"counted from the newest that is not dated in the future", retention.Policy{Within: retention.Duration{Hours: 2}}, []string{
		"2036-11-20 10:00 : within 2h",
		"2026-11-20 10:00 : within 2h",
		"2026-11-20 09:00 : within 2h",
		"2026-11-20 08:00",
	}},
	{"everything within a duration, when all is dated in the future", retention.Policy{Within: retention.Duration{Hours: 2}}, []string{
		"2036-11-20 10:00 : within 2h",
		"2030-11-20 10:00 : within 2h",
	}},
	{"the days of each snapshot's own time zone", retention.Policy{Daily: 2}, []string{
		"2026-11-20 00:30 +0100 : daily snapshot", // 23:30 on the 19th in UTC
		"2026-11-19 23:00 +0000 : daily snapshot",
		"2026-11-19 05:00 +0000",
		"2026-11-18 05:00 +0000",
	}},
	{"what has all tags of one list", retention.Policy{Tags: [][]string{{"a", "b"}, {"c"}}}, []string{
		"2026-11-20 10:00 a",
		"2026-11-19 10:00 b,a : has tags [a, b]",
		"2026-11-18 10:00 c,b,a : has tags [a, b], has tags [c]",
		"2026-11-17 10:00",
	}},
	{"what has no tags", retention.Policy{Tags: [][]string{{""}}}, []string{
		"2026-11-20 10:00 a",
		"2026-11-19 10:00 : has tags []",
	}},
	{"what is protected, whatever the rules", retention.Policy{Last: 1}, []string{
		"2026-11-20 10:00 : last snapshot",
		"2026-11-19 10:00 x,protected : protected",
		"2026-11-18 10:00 unprotected",
	}},
}

func TestAPolicyKeeps(t *testing.T) {
	for _, test := range policyKeeps {
		t.Run(test.name, func(t *testing.T) {
			var group []retention.Snapshot
			for _, line := range test.group {
				snapshot, _, _ := strings.Cut(line, " : ")
				group = append([]retention.Snapshot{at(t, snapshot)}, group...) // oldest first: Apply sorts
			}
			decisions, err := retention.Apply(test.policy, now, group)
			if err != nil {
				t.Fatalf("Apply(%+v) = %v", test.policy, err)
			}
			if diff := cmp.Diff(test.group, lines(decisions)); diff != "" {
				t.Errorf("Apply(%+v) (-want +got):\n%s", test.policy, diff)
			}
		})
	}
}

// lines writes decisions as the table has them.
func lines(decisions []retention.Decision) []string {
	var out []string
	for _, d := range decisions {
		line := d.ID
		if d.Keep {
			line += " : " + strings.Join(d.Reasons, ", ")
		}
		out = append(out, line)
	}
	return out
}

func TestAPolicyThatWouldRemoveEverythingIsRefused(t *testing.T) {
	policy := retention.Policy{Tags: [][]string{{"nobody-has-this"}}}
	group := []retention.Snapshot{at(t, "2026-11-20 10:00 a"), at(t, "2026-11-19 10:00")}
	if decisions, err := retention.Apply(policy, now, group); !errors.Is(err, retention.ErrNothingKept) || decisions != nil {
		t.Errorf("Apply(%+v) = %v, %v, want ErrNothingKept", policy, decisions, err)
	}
	if decisions, err := retention.Apply(policy, now, nil); err != nil || len(decisions) != 0 {
		t.Errorf("Apply(%+v) of no snapshots = %v, %v, want none", policy, decisions, err)
	}
}

func TestSnapshotsOfTheSameMomentAreSortedByID(t *testing.T) {
	var group []retention.Snapshot
	for _, id := range []string{"b", "c", "a"} {
		group = append(group, retention.Snapshot{ID: id, Time: now})
	}
	decisions, err := retention.Apply(retention.Policy{Last: 1}, now, group)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(lines(decisions)), "[a : last snapshot b c]"; got != want {
		t.Errorf("Apply = %s, want %s", got, want)
	}
}
