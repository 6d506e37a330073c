package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/backstay/backstay/internal/app"
)

// gauges are those of one moment. It is a prometheus.Collector.
type gauges app.Gauges

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("backstay_"+name, help, labels, nil)
}

var (
	age       = describe("plan_last_good_age_seconds", "How long ago the last good backup of a plan ended; none for a plan without one.", "plan", "name", "project")
	good      = describe("plan_has_good_backup", "1 if a plan has a good backup, else 0.", "plan", "name", "project")
	stored    = describe("storage_bytes", "What the repositories of a storage take.", "storage", "name", "project")
	limit     = describe("storage_limit_bytes", "What a storage is to hold at most; none without a limit.", "storage", "name", "project")
	pending   = describe("queue_length", "Runs that wait.")
	oldest    = describe("queue_oldest_seconds", "How long the run that waits longest could have begun.")
	running   = describe("runs_running", "Runs at work.")
	snapshots = describe("snapshots", "Snapshots, by health.", "health")
	alerts    = describe("alerts_open", "Open alerts, by severity.", "severity")
	messages  = describe("deliveries", "Messages on their way, sent and given up.", "state")
)

func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{age, good, stored, limit, pending, oldest, running, snapshots, alerts, messages} {
		ch <- d
	}
}

func (g gauges) Collect(ch chan<- prometheus.Metric) {
	write := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, p := range g.Plans {
		write(good, map[bool]float64{true: 1}[p.Good], p.ID, p.Name, p.Project)
		if p.Good {
			write(age, p.Age.Seconds(), p.ID, p.Name, p.Project)
		}
	}
	for _, s := range g.Storages {
		write(stored, float64(s.Bytes), s.ID, s.Name, s.Project)
		if s.Limit > 0 {
			write(limit, float64(s.Limit), s.ID, s.Name, s.Project)
		}
	}
	write(pending, float64(g.Pending))
	write(oldest, g.Oldest.Seconds())
	write(running, float64(g.Running))
	groups := func(d *prometheus.Desc, counts map[string]int, names ...string) {
		for _, name := range names { // one that is 0 is written, so that it can be told from one that isn't known
			write(d, float64(counts[name]), name)
		}
	}
	groups(snapshots, g.Snapshots, "unverified", "good", "damaged", "repaired", "gone")
	groups(alerts, g.Alerts, "info", "warning", "error", "critical")
	groups(messages, g.Deliveries, "pending", "sent", "failed")
}
