package retention_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backstay/backstay/retention"
)

// counting names the counting rules and the period each of them keeps one snapshot of.
var counting = []struct {
	name   string
	set    func(*retention.Policy, retention.Count)
	period func(time.Time) string
}{
	{"hourly", func(p *retention.Policy, n retention.Count) { p.Hourly = n }, func(t time.Time) string { return t.Format("2006-01-02 15") }},
	{"daily", func(p *retention.Policy, n retention.Count) { p.Daily = n }, func(t time.Time) string { return t.Format("2006-01-02") }},
	{"weekly", func(p *retention.Policy, n retention.Count) { p.Weekly = n }, func(t time.Time) string { return fmt.Sprint(t.ISOWeek()) }},
	{"monthly", func(p *retention.Policy, n retention.Count) { p.Monthly = n }, func(t time.Time) string { return t.Format("2006-01") }},
	{"yearly", func(p *retention.Policy, n retention.Count) { p.Yearly = n }, func(t time.Time) string { return t.Format("2006") }},
}

// groups draws snapshots that lie close together and far apart, some at the same moment.
func groups() *rapid.Generator[[]retention.Snapshot] {
	return rapid.Custom(func(t *rapid.T) []retention.Snapshot {
		when, group := now, []retention.Snapshot(nil)
		for i := range rapid.IntRange(1, 40).Draw(t, "snapshots") {
			unit := rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}).Draw(t, "unit")
			when = when.Add(-unit * time.Duration(rapid.IntRange(1, 20).Draw(t, "gap")))
			tags := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", retention.Protected}), 0, 2).Draw(t, "tags")
			group = append(group, retention.Snapshot{ID: fmt.Sprintf("%03d", i), Time: when, Tags: tags})
		}
		return group
	})
}

// policies draws policies in which each rule is there as often as not.
func policies() *rapid.Generator[retention.Policy] {
	count := rapid.Map(rapid.IntRange(-8, 8), func(n int) retention.Count { return retention.Count(max(n, 0)) })
	count = rapid.OneOf(count, count, rapid.Just(retention.Unlimited))
	duration := rapid.Custom(func(t *rapid.T) retention.Duration {
		n := rapid.SliceOfN(rapid.IntRange(0, 3), 4, 4).Draw(t, "duration")
		return retention.Duration{Years: n[0] / 3, Months: n[1] / 2, Days: n[2], Hours: n[3]}
	})
	duration = rapid.OneOf(rapid.Just(retention.Duration{}), duration)
	return rapid.Custom(func(t *rapid.T) retention.Policy {
		p := retention.Policy{
			Last: count.Draw(t, "last"), Hourly: count.Draw(t, "hourly"), Daily: count.Draw(t, "daily"),
			Weekly: count.Draw(t, "weekly"), Monthly: count.Draw(t, "monthly"), Yearly: count.Draw(t, "yearly"),
			Within: duration.Draw(t, "within"), WithinHourly: duration.Draw(t, "within hourly"), WithinDaily: duration.Draw(t, "within daily"),
			WithinWeekly: duration.Draw(t, "within weekly"), WithinMonthly: duration.Draw(t, "within monthly"),
			WithinYearly: duration.Draw(t, "within yearly"),
		}
		if rapid.Bool().Draw(t, "tags") {
			p.Tags = [][]string{{"a"}, {"a", "b"}}
		}
		return p
	})
}

// kept returns the IDs that p keeps; with none, when it is refused.
func kept(t *rapid.T, p retention.Policy, group []retention.Snapshot) []string {
	decisions, err := retention.Apply(p, now, group)
	if err != nil && err != retention.ErrNothingKept {
		t.Fatalf("Apply(%+v) = %v", p, err)
	}
	var ids []string
	for _, d := range decisions {
		if d.Keep {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

func TestACountingRuleKeepsTheNewestOfAsManyPeriodsAsItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group, policy := groups().Draw(t, "group"), policies().Draw(t, "policy")
		rule, n := rapid.SampledFrom(counting).Draw(t, "rule"), rapid.IntRange(1, 20).Draw(t, "count")
		rule.set(&policy, retention.Count(n))
		ids, seen := kept(t, policy, group), map[string]bool{}
		for _, s := range group { // newest first
			period := rule.period(s.Time)
			if len(seen) == n || seen[period] {
				continue
			}
			seen[period] = true
			if !slices.Contains(ids, s.ID) {
				t.Errorf("%s %d: %s of %v, the newest of its period, is not kept", rule.name, n, s.ID, s.Time)
			}
		}
	})
}

func TestAWithinRuleKeepsAllThatIsYounger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group, policy := groups().Draw(t, "group"), policies().Draw(t, "policy")
		policy.Within = retention.Duration{Days: rapid.IntRange(1, 400).Draw(t, "days")}
		ids := kept(t, policy, group)
		for _, s := range group {
			if s.Time.After(group[0].Time.AddDate(0, 0, -policy.Within.Days)) && !slices.Contains(ids, s.ID) {
				t.Errorf("within %v: %s of %v is not kept; the newest is of %v", policy.Within, s.ID, s.Time, group[0].Time)
			}
		}
	})
}

func TestAFurtherRuleRemovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group, a, b := groups().Draw(t, "group"), policies().Draw(t, "policy"), policies().Draw(t, "further rules")
		if a.IsEmpty() || b.IsEmpty() {
			return
		}
		both := kept(t, union(a, b), group)
		for _, id := range slices.Concat(kept(t, a, group), kept(t, b, group)) {
			if !slices.Contains(both, id) {
				t.Errorf("%s is kept by %+v or %+v, and not by both together", id, a, b)
			}
		}
	})
}

// union returns the policy whose every rule is the wider one of a and b; a rule that only one of them has is taken over.
func union(a, b retention.Policy) retention.Policy {
	wider := func(a, b retention.Count) retention.Count {
		if a == retention.Unlimited || b == retention.Unlimited {
			return retention.Unlimited
		}
		return max(a, b)
	}
	longer := func(a, b retention.Duration) retention.Duration {
		if a.Before(now).Before(b.Before(now)) {
			return a
		}
		return b
	}
	return retention.Policy{
		Last: wider(a.Last, b.Last), Hourly: wider(a.Hourly, b.Hourly), Daily: wider(a.Daily, b.Daily),
		Weekly: wider(a.Weekly, b.Weekly), Monthly: wider(a.Monthly, b.Monthly), Yearly: wider(a.Yearly, b.Yearly),
		Within: longer(a.Within, b.Within), WithinHourly: longer(a.WithinHourly, b.WithinHourly), WithinDaily: longer(a.WithinDaily, b.WithinDaily),
		WithinWeekly: longer(a.WithinWeekly, b.WithinWeekly), WithinMonthly: longer(a.WithinMonthly, b.WithinMonthly),
		WithinYearly: longer(a.WithinYearly, b.WithinYearly), Tags: slices.Concat(a.Tags, b.Tags),
	}
}

func TestTheOrderOfTheSnapshotsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group, policy := groups().Draw(t, "group"), policies().Draw(t, "policy")
		want := kept(t, policy, group)
		shuffled := slices.Clone(group)
		seed := rapid.Uint64().Draw(t, "seed")
		rand.New(rand.NewPCG(seed, seed)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(want, kept(t, policy, shuffled)); diff != "" {
			t.Errorf("kept of the same snapshots in another order (-want +got):\n%s", diff)
		}
	})
}

func TestASecondTimeRemovesNothingMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group, policy := groups().Draw(t, "group"), policies().Draw(t, "policy")
		first := kept(t, policy, group)
		rest := slices.DeleteFunc(slices.Clone(group), func(s retention.Snapshot) bool { return !slices.Contains(first, s.ID) })
		if second := kept(t, policy, rest); !slices.Equal(first, second) {
			t.Errorf("kept at first %v, then %v", first, second)
		}
	})
}

func TestTheNewestAndTheProtectedStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group, policy := groups().Draw(t, "group"), policies().Draw(t, "policy")
		ids := kept(t, policy, group)
		timed := policy
		timed.Tags = nil
		if !timed.IsEmpty() && !slices.Contains(ids, group[0].ID) {
			t.Errorf("Apply(%+v) removes the newest snapshot", policy)
		}
		for _, s := range group {
			if slices.Contains(s.Tags, retention.Protected) && !slices.Contains(ids, s.ID) {
				t.Errorf("Apply(%+v) removes protected %s", policy, s.ID)
			}
		}
	})
}
