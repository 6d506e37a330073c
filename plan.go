package backstay

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/schedule"
)

// Plan says what is backed up to where, when, and how long it is kept.
type Plan struct {
	Record
	Placed
	Name         string            `json:"name" maxLength:"100"`
	Active       bool              `json:"active" doc:"It is started by its schedule"`
	Sources      []string          `json:"sources" minItems:"1" doc:"The ids of what is backed up"`
	Modules      []string          `json:"modules,omitempty" doc:"The ids of the only parts of it that are; none: all of it"`
	Repositories []string          `json:"repositories" minItems:"1" doc:"The ids of where to; all are written from one reading"`
	Type         string            `json:"type" enum:"full,incremental,differential" default:"incremental" doc:"full reads everything again"`
	FullSchedule schedule.Schedule `json:"full_schedule,omitzero" doc:"When a backup of another type is a full one instead"`
	Schedule     schedule.Schedule `json:"schedule,omitzero" doc:"When it is started; none: by hand only"`
	Retention    retention.Policy  `json:"retention,omitzero" doc:"Which snapshots are kept; none: all"`
	Compression  string            `json:"compression,omitempty" enum:"off,auto,max" default:"auto"`
	Excludes     []string          `json:"excludes,omitempty" doc:"Patterns of what is left out, as for backup --exclude"`
	Retries      int               `json:"retries" minimum:"0" maximum:"20" doc:"How often a failed run is repeated, later each time; 2 is a good number"`
	TimeoutMin   int               `json:"timeout_minutes,omitempty" bun:"timeout_minutes" minimum:"0" doc:"A run that takes longer is ended; 0: none"`
	Upload       string            `json:"upload,omitempty" doc:"KiB per second at most to each repository, as in 1024 or 1024,08:00-18:00=256"`
	Slow         string            `json:"slow,omitempty" enum:"wait,drop" default:"wait" doc:"What to do about a repository that keeps the others waiting"`
	Verify       string            `json:"verify,omitempty" enum:"none,structure,sample,full" default:"structure" doc:"How much of it is verified after each backup"`
	BeforeHook   string            `json:"before_hook,omitempty" doc:"A command that is run before each backup. Hooks are off until the owner allows them"`
	AfterHook    string            `json:"after_hook,omitempty" doc:"A command that is run after each backup, whatever came of it"`
	Priority     int               `json:"priority,omitempty" minimum:"-10" maximum:"10" doc:"Higher ones go first where runs wait"`
	HandledAt    *time.Time        `json:"-"` // due times up to this one have their run
	NextAt       *time.Time        `json:"next_at,omitempty" readOnly:"true" doc:"When it is started next"`
	Next         []time.Time       `json:"next,omitempty" readOnly:"true" bun:"-" doc:"Its next three starts"`
	When         string            `json:"when,omitempty" readOnly:"true" bun:"-" doc:"Its schedule in words"`
}

// Check says what is wrong with a plan. Whether what it names is there is another question.
func (p Plan) Check() error {
	if err := checkName("plan", p.Name); err != nil {
		return err
	}
	if len(p.Sources) == 0 {
		return Errorf(Invalid, "plan %q backs up nothing", p.Name).WithHint("Choose at least one source.").OnField("sources")
	}
	if len(p.Repositories) == 0 {
		return Errorf(Invalid, "plan %q has no repository", p.Name).WithHint("Choose at least one repository.").OnField("repositories")
	}
	for name, list := range map[string][]string{"sources": p.Sources, "repositories": p.Repositories, "modules": p.Modules} {
		if sorted := slices.Sorted(slices.Values(list)); len(slices.Compact(sorted)) != len(list) {
			return Errorf(Invalid, "plan %q names one of its %s twice", p.Name, name).OnField(name)
		}
	}
	if err := p.checkChoices(); err != nil {
		return err
	}
	if err := p.Schedule.Check(); err != nil {
		return Errorf(Invalid, "schedule of plan %q: %w", p.Name, err).OnField("schedule")
	}
	if err := p.FullSchedule.Check(); err != nil {
		return Errorf(Invalid, "schedule of full backups of plan %q: %w", p.Name, err).OnField("full_schedule")
	}
	return nil
}

// PlanTypes are how much a backup reads.
var PlanTypes = []string{"full", "incremental", "differential"}

// checkChoices says which field holds what none of its choices is. Nothing is the usual choice.
func (p Plan) checkChoices() error {
	for _, c := range []struct {
		field, value string
		choices      []string
	}{
		{"type", p.Type, PlanTypes},
		{"compression", p.Compression, []string{"off", "auto", "max"}},
		{"slow", p.Slow, []string{"wait", "drop"}},
		{"verify", p.Verify, []string{"none", "structure", "sample", "full"}},
	} {
		if c.value != "" && !slices.Contains(c.choices, c.value) {
			return Errorf(Invalid, "%s of plan %q is none of %s", c.field, p.Name, strings.Join(c.choices, ", ")).OnField(c.field)
		}
	}
	for _, c := range []struct {
		field           string
		value, min, max int
	}{{"retries", p.Retries, 0, 20}, {"timeout_minutes", p.TimeoutMin, 0, math.MaxInt}, {"priority", p.Priority, -10, 10}} {
		switch {
		case c.value >= c.min && c.value <= c.max:
		case c.max == math.MaxInt:
			return Errorf(Invalid, "a number of %d or more is needed", c.min).OnField(c.field)
		default:
			return Errorf(Invalid, "a number from %d to %d is needed", c.min, c.max).OnField(c.field)
		}
	}
	return nil
}
