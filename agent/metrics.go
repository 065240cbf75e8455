package agent

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"shunt/agent/install"
)

// metrics are what the agent counts. No label names a pod.
type metrics struct {
	registry  *prometheus.Registry
	chained   *prometheus.GaugeVec
	contended prometheus.Gauge
	polling   prometheus.Gauge
	writes    *prometheus.CounterVec
	errors    *prometheus.CounterVec
	events    *prometheus.CounterVec
	off       *prometheus.GaugeVec

	requests       *prometheus.CounterVec
	requestSeconds prometheus.Histogram
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: "shunt_agent", Name: name, Help: help}
}

func newMetrics(version string) *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "shunt_agent", Name: name, Help: help}
	}
	build := prometheus.NewGaugeVec(gauge("build_info", "Always 1; the label says which version runs."), []string{"version"})
	build.WithLabelValues(version).Set(1)
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		chained:   prometheus.NewGaugeVec(gauge("chained", "1 while the plugin is installed, chained and verified, by mode."), []string{"mode"}),
		contended: prometheus.NewGauge(gauge("contended", "1 while somebody else keeps taking the entry out.")),
		polling:   prometheus.NewGauge(gauge("polling", "1 while inotify cannot be had.")),
		writes:    prometheus.NewCounterVec(counter("install_writes_total", "Changes on the node, by why."), []string{"reason"}),
		errors:    prometheus.NewCounterVec(counter("install_errors_total", "Failed tries, by the step that failed."), []string{"step"}),
		events:    prometheus.NewCounterVec(counter("events_total", "Events, by what became of them."), []string{"result"}),
		off:       prometheus.NewGaugeVec(gauge("part_off", "1 while a part is not allowed what it needs, or cannot have it."), []string{"part"}),

		requests: prometheus.NewCounterVec(counter("plugin_requests_total", "Questions of plugins about pods, by what became of them."), []string{"result"}),
		requestSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "shunt_agent", Name: "plugin_request_seconds",
			Help: "How long plugins waited for the answer.", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .1, .5, 1, 2.5, 5, 7.5}}),
	}
	m.registry.MustRegister(build, m.chained, m.contended, m.polling, m.writes, m.errors, m.events, m.off, m.requests, m.requestSeconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// installed records the outcome of a look at the node.
func (m *metrics) installed(r install.Report, step string) {
	for _, mode := range []install.Mode{install.Chain, install.Dropin} {
		m.chained.WithLabelValues(string(mode)).Set(number(r.State == install.Linked && r.Mode == mode))
	}
	m.contended.Set(number(r.Contended))
	m.polling.Set(number(r.Polling != nil))
	for _, c := range r.Changes {
		m.writes.WithLabelValues(string(c.Reason)).Inc()
	}
	if step != "" {
		m.errors.WithLabelValues(step).Inc()
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func metricsHandler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}
