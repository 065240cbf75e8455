package repair

import "github.com/prometheus/client_golang/prometheus"

// metrics are what is counted. No label names a pod.
type metrics struct {
	pods      *prometheus.GaugeVec
	repairs   *prometheus.CounterVec
	seconds   prometheus.Histogram
	evictions *prometheus.CounterVec
	lookups   prometheus.Counter
}

func newMetrics(to prometheus.Registerer) *metrics {
	const namespace = "shunt_agent"
	m := &metrics{
		pods:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "pods", Help: "Meshed pods of the node that have an address, by what is known of their rules."}, []string{"state"}),
		repairs:   prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "repairs_total", Help: "Repairs in place, by what became of them."}, []string{"result"}),
		seconds:   prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "repair_seconds", Help: "From when a pod was heard to have an address until its rules were live, of those that were repaired.", Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}}),
		evictions: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "evictions_total", Help: "Evictions of pods that run without rules, by what became of them."}, []string{"result"}),
		lookups:   prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "netns_lookup_errors_total", Help: "Lookups that did not find a pod's network namespace."}),
	}
	to.MustRegister(m.pods, m.repairs, m.seconds, m.evictions, m.lookups)
	m.states(nil)
	return m
}

func (m *metrics) states(n map[State]int) {
	for _, s := range states() {
		m.pods.WithLabelValues(string(s)).Set(float64(n[s]))
	}
}

// The results of repairs and evictions.
const (
	done   = "done"
	failed = "failed"
	gone   = "gone"  // the pod was, when it was to be acted upon
	later  = "later" // a disruption budget allows no eviction now
)
