package retention_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backstay/backstay/retention"
)

func TestADurationIsReadAndWritten(t *testing.T) {
	for text, want := range map[string]retention.Duration{
		"0":          {},
		"0d":         {},
		"1y5m7d2h":   {Years: 1, Months: 5, Days: 7, Hours: 2},
		"2h1y":       {Years: 1, Hours: 2},
		"999999h":    {Hours: 999999},
		"007d":       {Days: 7},
		"1y0m30d00h": {Years: 1, Days: 30},
	} {
		got, err := retention.ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %+v, %v, want %+v", text, got, err, want)
		}
		if again, err := retention.ParseDuration(got.String()); err != nil || again != want {
			t.Errorf("ParseDuration(%q) = %+v, %v, want %+v", got.String(), again, err, want)
		}
	}
}

func TestANonsenseDurationIsRefused(t *testing.T) {
	for _, text := range []string{"", " ", "7", "d", "7w", "7D", "-7d", "1y-2m", "7d7d", "7d ", "1.5d", "1000000h", "٧d", "7d2"} {
		if got, err := retention.ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestACountIsReadAndWritten(t *testing.T) {
	for text, want := range map[string]retention.Count{"0": 0, "7": 7, "-1": retention.Unlimited, "unlimited": retention.Unlimited} {
		if got, err := retention.ParseCount(text); err != nil || got != want {
			t.Errorf("ParseCount(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-2", "+1", "1.0", "all", "4294967296"} {
		if got, err := retention.ParseCount(text); err == nil {
			t.Errorf("ParseCount(%q) = %v, want an error", text, got)
		}
	}
}

func TestAPolicyThatMakesNoSenseIsRefused(t *testing.T) {
	for name, policy := range map[string]retention.Policy{
		"count below unlimited": {Weekly: -2},
		"negative duration":     {WithinDaily: retention.Duration{Years: 1, Days: -1}},
		"empty list of tags":    {Last: 1, Tags: [][]string{{"a"}, {}}},
	} {
		if err := policy.Validate(); err == nil {
			t.Errorf("%s: Validate(%+v) = nil, want an error", name, policy)
		}
		if decisions, err := retention.Apply(policy, now, []retention.Snapshot{{Time: now}}); err == nil {
			t.Errorf("%s: Apply(%+v) = %v, want an error", name, policy, decisions)
		}
	}
}

func TestAPolicyWithoutRulesIsEmpty(t *testing.T) {
	if !(retention.Policy{}).IsEmpty() {
		t.Error("IsEmpty of the zero Policy = false")
	}
	for _, policy := range []retention.Policy{
		{Last: retention.Unlimited}, {Yearly: 1}, {Within: retention.Duration{Hours: 1}}, {WithinYearly: retention.Duration{Years: 1}}, {Tags: [][]string{{"a"}}},
	} {
		if policy.IsEmpty() {
			t.Errorf("IsEmpty(%+v) = true", policy)
		}
	}
}

func TestAPolicySurvivesJSON(t *testing.T) {
	const text = `{"last":"2","yearly":"unlimited","within":"1m","within_daily":"7d","tags":[["a","b"],["c"]]}`
	var policy retention.Policy
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(policy); err != nil || string(got) != text {
		t.Errorf("JSON of %+v = %s, %v, want %s", policy, got, err, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := policies().Draw(t, "policy")
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got retention.Policy
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("policy after JSON %s (-want +got):\n%s", text, diff)
		}
	})
}
