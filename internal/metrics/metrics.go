// Package metrics writes the numbers of a server in the form that Prometheus reads.
//
// Counters and histograms count what this process did since it began: runs that it ended, requests that it answered. Gauges are asked of the
// database when they are read, and are the same in all processes. Labels are ids and names.
package metrics

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// Metrics are the numbers of one process. Its methods may be called from any goroutine.
type Metrics struct {
	registry *prometheus.Registry
	runs     *prometheus.CounterVec
	took     *prometheus.HistogramVec
	bytes    *prometheus.HistogramVec
	requests *prometheus.CounterVec
}

// New returns numbers of which all are 0.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "backstay_runs_total", Help: "Runs that ended, by kind and state."}, []string{"kind", "state"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "backstay_run_duration_seconds", Help: "How long runs took.",
			Buckets: []float64{1, 10, 60, 300, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600}}, []string{"kind"}),
		bytes: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "backstay_run_bytes", Help: "How many bytes runs looked at.",
			Buckets: prometheus.ExponentialBuckets(1<<20, 8, 8)}, []string{"kind"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "backstay_http_requests_total", Help: "Requests that were answered, by class of route and status."}, []string{"class", "status"}),
	}
	m.registry.MustRegister(m.runs, m.took, m.bytes, m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// RunEnded counts a run.
func (m *Metrics) RunEnded(run backstay.Run) {
	m.runs.WithLabelValues(string(run.Kind), string(run.State)).Inc()
	m.took.WithLabelValues(string(run.Kind)).Observe(run.Duration().Seconds())
	m.bytes.WithLabelValues(string(run.Kind)).Observe(float64(run.Figures.Bytes))
}

// Request counts an answer. There are few classes.
func (m *Metrics) Request(class string, status int) {
	m.requests.WithLabelValues(class, strconv.Itoa(status)).Inc()
}

// Write answers with all numbers, and the gauges of the moment among them.
func (m *Metrics) Write(w http.ResponseWriter, r *http.Request, g app.Gauges) {
	now := prometheus.NewRegistry()
	now.MustRegister(gauges(g))
	promhttp.HandlerFor(prometheus.Gatherers{m.registry, now}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}
