package web

import (
	"cmp"
	"slices"
	"strings"

	"github.com/backstay/backstay/retention"
)

// retentionFields are the part of a form that asks how long snapshots are kept. The template "retention-fields" shows it, with what it comes
// to after a year and what it does to the snapshots that there are, which follow what is entered.
type retentionFields struct {
	Name   string   // of the policy in JSON, such as "retention"
	Counts []*field // of the newest of each day, week and so on
	Within []*field // all, or the newest of each day and so on, that are younger than this
	Tags   *field
	Plan   string         // the id of the plan that it is of; "" of a new one
	Said   *retentionSaid // nil until say
}

var countRules = []struct{ name, title, help string }{
	{"daily", "Daily", "the newest of each day"},
	{"weekly", "Weekly", "of each week"},
	{"monthly", "Monthly", "of each month"},
	{"yearly", "Yearly", "of each year"},
	{"last", "Newest", "whenever they were made"},
	{"hourly", "Hourly", "the newest of each hour"},
}

var withinRules = []struct{ name, title string }{
	{"within", "All younger than"}, {"within_hourly", "Hourly younger than"}, {"within_daily", "Daily younger than"}, {"within_weekly", "Weekly younger than"},
	{"within_monthly", "Monthly younger than"}, {"within_yearly", "Yearly younger than"},
}

// newRetentionFields makes the fields of a policy that is called name in JSON.
func newRetentionFields(name string, p retention.Policy) *retentionFields {
	counts := []retention.Count{p.Daily, p.Weekly, p.Monthly, p.Yearly, p.Last, p.Hourly}
	within := []retention.Duration{p.Within, p.WithinHourly, p.WithinDaily, p.WithinWeekly, p.WithinMonthly, p.WithinYearly}
	k := &retentionFields{Name: name}
	for i, r := range countRules {
		f := &field{Name: name + "." + r.name, Title: r.title, Kind: textField, Help: r.help, Optional: true}
		if counts[i] != 0 {
			f.Value = counts[i].String()
		}
		k.Counts = append(k.Counts, f)
	}
	for i, r := range withinRules {
		f := &field{Name: name + "." + r.name, Title: r.title, Kind: textField, Optional: true}
		if within[i] != (retention.Duration{}) {
			f.Value = within[i].String()
		}
		k.Within = append(k.Within, f)
	}
	k.Within[0].Help = "Years, months, days and hours, such as 1y6m or 10d"
	var tags []string
	for _, list := range p.Tags {
		list = slices.Clone(list)
		for i := range list {
			list[i] = cmp.Or(list[i], noTags)
		}
		tags = append(tags, strings.Join(list, ", "))
	}
	k.Tags = &field{Name: name + ".tags", Title: "All with these tags", Kind: areaField, Value: strings.Join(tags, "\n"), Optional: true,
		Help: "One list a line, with commas. What has all tags of one of the lists stays. " + noTags + " stands for having no tags."}
	return k
}

// noTags stands for having no tags, which is the tag "" of a policy.
const noTags = "-"

// fields are all of them, for the form's groups.
func (k *retentionFields) fields() []*field {
	return append(slices.Concat(k.Counts, k.Within), k.Tags)
}

// ID is that of the part.
func (k *retentionFields) ID() string { return strings.ReplaceAll(k.Name, ".", "-") }

// MoreOpen reports whether something is entered where most people enter nothing.
func (k *retentionFields) MoreOpen() bool {
	return slices.ContainsFunc(append(slices.Clone(k.Within), k.Tags), func(f *field) bool { return f.Value+f.Error != "" })
}

// policy is what was entered. An entry that can't be read is an error of its field, and nothing is ok.
func (k *retentionFields) policy() (p retention.Policy, ok bool) {
	counts := []*retention.Count{&p.Daily, &p.Weekly, &p.Monthly, &p.Yearly, &p.Last, &p.Hourly}
	within := []*retention.Duration{&p.Within, &p.WithinHourly, &p.WithinDaily, &p.WithinWeekly, &p.WithinMonthly, &p.WithinYearly}
	ok = true
	for i, f := range k.Counts {
		if f.Value != "" && counts[i].UnmarshalText([]byte(f.Value)) != nil {
			f.Error, ok = "Enter a whole number, or unlimited.", false
		}
	}
	for i, f := range k.Within {
		if f.Value != "" && within[i].UnmarshalText([]byte(f.Value)) != nil {
			f.Error, ok = "Enter numbers with y, m, d or h, such as 1y6m or 10d.", false
		}
	}
	for line := range strings.Lines(k.Tags.Value) {
		var list []string
		for tag := range strings.SplitSeq(line, ",") {
			switch tag = strings.TrimSpace(tag); tag {
			case "":
			case noTags:
				list = append(list, "")
			default:
				list = append(list, tag)
			}
		}
		if list != nil {
			p.Tags = append(p.Tags, list)
		}
	}
	return p, ok
}

// patchOfPolicy is a policy as a change of JSON that leaves nothing of the one before.
func patchOfPolicy(p retention.Policy) map[string]any {
	return map[string]any{"daily": p.Daily, "weekly": p.Weekly, "monthly": p.Monthly, "yearly": p.Yearly, "last": p.Last, "hourly": p.Hourly,
		"within": p.Within, "within_hourly": p.WithinHourly, "within_daily": p.WithinDaily, "within_weekly": p.WithinWeekly, "within_monthly": p.WithinMonthly,
		"within_yearly": p.WithinYearly, "tags": p.Tags}
}

// policyText says a policy in a few words.
func policyText(p retention.Policy) string {
	if p.IsEmpty() {
		return "All are kept"
	}
	var words []string
	for i, c := range []retention.Count{p.Daily, p.Weekly, p.Monthly, p.Yearly, p.Last, p.Hourly} {
		if c != 0 {
			words = append(words, c.String()+nbsp+strings.ToLower(countRules[i].title))
		}
	}
	for i, d := range []retention.Duration{p.Within, p.WithinHourly, p.WithinDaily, p.WithinWeekly, p.WithinMonthly, p.WithinYearly} {
		if d != (retention.Duration{}) {
			words = append(words, strings.ToLower(withinRules[i].title)+nbsp+d.String())
		}
	}
	for _, list := range p.Tags {
		words = append(words, "all tagged "+strings.Join(list, " and "))
	}
	return upper(strings.Join(words, ", "))
}
