package app

import (
	"context"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// Gauges are the numbers of the moment, of everything there is.
type Gauges struct {
	Plans      []PlanGauge
	Storages   []StorageGauge
	Pending    int           // runs that wait
	Oldest     time.Duration // how long the first of them could have begun
	Running    int
	Snapshots  map[string]int // by health
	Alerts     map[string]int // open ones, by severity
	Deliveries map[string]int // by state
}

// PlanGauge tells of a plan.
type PlanGauge struct {
	ID, Name, Project string
	Good              bool          // it has a good backup
	Age               time.Duration // of the last good backup
}

// StorageGauge tells of a storage.
type StorageGauge struct {
	ID, Name, Project string
	Bytes, Limit      int64
}

// Gauges measures everything. It is for whoever may read the reports of all projects.
func (a *App) Gauges(ctx context.Context, who backstay.Actor) (g Gauges, err error) {
	err = a.look(ctx, who, "metrics.read", func(t *task) error {
		if err := t.allow(backstay.ReadReports, backstay.Everywhere, ""); err != nil {
			return err
		}
		if err := t.gaugePlans(&g); err != nil {
			return err
		}
		if err := t.gaugeStorages(&g); err != nil {
			return err
		}
		now := a.now()
		counts, err := t.tx.Counts(ctx, now)
		if err != nil {
			return err
		}
		g.Pending, g.Running, g.Snapshots, g.Alerts, g.Deliveries = counts.Pending, counts.Running, counts.Snapshots, counts.Alerts, counts.Deliveries
		if !counts.Oldest.IsZero() {
			g.Oldest = now.Sub(counts.Oldest)
		}
		return nil
	})
	return g, err
}

func (t *task) gaugePlans(g *Gauges) error {
	plans, err := t.tx.PlanNames(t.ctx)
	if err != nil {
		return err
	}
	good, err := t.tx.LastGoods(t.ctx)
	for _, p := range plans {
		gauge := PlanGauge{ID: p.ID, Name: p.Name, Project: p.Project}
		if at, ok := good[p.ID]; ok {
			gauge.Good, gauge.Age = true, t.app.now().Sub(at)
		}
		g.Plans = append(g.Plans, gauge)
	}
	return err
}

func (t *task) gaugeStorages(g *Gauges) error {
	storages, err := db.All[backstay.Storage](t.ctx, t.tx)
	if err != nil {
		return err
	}
	repositories, err := db.All[backstay.Repository](t.ctx, t.tx)
	held := map[string]int64{}
	for _, r := range repositories {
		held[r.Storage] += r.Bytes
	}
	for _, s := range storages {
		g.Storages = append(g.Storages, StorageGauge{ID: s.ID, Name: s.Name, Project: s.Project, Bytes: held[s.ID], Limit: s.Limit})
	}
	return err
}

// Summary tells how backups went in the last days.
type Summary struct {
	Since          time.Time     `json:"since"`
	Backups        int64         `json:"backups" doc:"That ended, but for cancelled ones"`
	Good           int64         `json:"good" doc:"That made what they were to make"`
	SuccessRate    float64       `json:"success_rate" doc:"Of 1; 0 without any"`
	AverageSeconds float64       `json:"average_seconds" doc:"That a good one took"`
	AverageBytes   float64       `json:"average_bytes" doc:"That a good one read"`
	AverageAdded   float64       `json:"average_added" doc:"Bytes that a good one added"`
	Modules        []ModuleCount `json:"modules" doc:"Those that were backed up most, at most ten"`
	Days           []DaySummary  `json:"days" doc:"The trend, the oldest day first, in UTC; days without backups are left out"`
}

// ModuleCount tells how often a module was backed up.
type ModuleCount struct {
	Module  string `json:"module" doc:"Its id"`
	Name    string `json:"name"`
	Backups int64  `json:"backups"`
}

// DaySummary is a day of it.
type DaySummary struct {
	Day     string  `json:"day"`
	Backups int64   `json:"backups"`
	Good    int64   `json:"good"`
	Seconds float64 `json:"seconds" doc:"That the good ones took, in all"`
	Bytes   int64   `json:"bytes" doc:"That the good ones read, in all"`
	Added   int64   `json:"added" doc:"Bytes that the good ones added, in all"`
}

// Summary sums up the backups of the last days that the actor may read reports of, of one project or of all for "".
func (a *App) Summary(ctx context.Context, who backstay.Actor, project string, days int) (s Summary, err error) {
	err = a.look(ctx, who, "metrics.read", func(t *task) error {
		if err := t.allowAnywhere(backstay.ReadReports); err != nil {
			return err
		}
		q := db.TrendQuery{Project: project, Since: a.now().AddDate(0, 0, -max(1, days))}
		q.Reach, q.Denied = backstay.ReachOf(who, backstay.ReadReports)
		trend, err := t.tx.Trend(ctx, q)
		if err != nil {
			return err
		}
		s = sumUp(trend)
		s.Since = q.Since
		s.Modules, err = t.modules(q)
		return err
	})
	return s, err
}

// sumUp makes days and sums of counts by day and state.
func sumUp(trend []db.TrendRow) (s Summary) {
	s.Days = []DaySummary{}
	var seconds, bytes, added float64
	for _, row := range trend {
		if len(s.Days) == 0 || s.Days[len(s.Days)-1].Day != row.Day {
			s.Days = append(s.Days, DaySummary{Day: row.Day})
		}
		d := &s.Days[len(s.Days)-1]
		d.Backups, s.Backups = d.Backups+row.Runs, s.Backups+row.Runs
		if !row.State.Good() {
			continue
		}
		d.Good, d.Seconds, d.Bytes, d.Added = d.Good+row.Runs, d.Seconds+row.Seconds, d.Bytes+row.Bytes, d.Added+row.Added
		s.Good, seconds, bytes, added = s.Good+row.Runs, seconds+row.Seconds, bytes+float64(row.Bytes), added+float64(row.Added)
	}
	if s.Backups > 0 {
		s.SuccessRate = float64(s.Good) / float64(s.Backups)
	}
	if s.Good > 0 {
		n := float64(s.Good)
		s.AverageSeconds, s.AverageBytes, s.AverageAdded = seconds/n, bytes/n, added/n
	}
	return s
}

// mostModules is how many modules are named.
const mostModules = 10

func (t *task) modules(q db.TrendQuery) ([]ModuleCount, error) {
	counted, err := t.tx.ModuleCounts(t.ctx, q)
	if err != nil {
		return nil, err
	}
	all := make([]ModuleCount, 0, len(counted))
	for id, n := range counted {
		all = append(all, ModuleCount{Module: id, Backups: n})
	}
	slices.SortFunc(all, func(a, b ModuleCount) int {
		if a.Backups != b.Backups {
			return int(b.Backups - a.Backups)
		}
		if a.Module < b.Module {
			return -1
		}
		return 1
	})
	all = all[:min(len(all), mostModules)]
	for i := range all {
		if m, err := db.Find[backstay.Module](t.ctx, t.tx, all[i].Module); err == nil {
			all[i].Name = m.Name
		}
	}
	return all, nil
}

// observe tells whoever counts runs that one has ended.
func (a *App) observe(runs ...backstay.Run) {
	for _, run := range runs {
		if a.RunEnded != nil {
			a.RunEnded(run)
		}
	}
}
