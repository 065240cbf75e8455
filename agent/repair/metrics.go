package repair

import "github.com/prometheus/client_golang/prometheus"

// metrics are what is counted. No label names a pod.
type metrics struct {
	repairs   *prometheus.CounterVec
	seconds   prometheus.Histogram
	evictions *prometheus.CounterVec
	lookups   prometheus.Counter
}

func newMetrics(to prometheus.Registerer, pods *table) *metrics {
	const namespace = "shunt_agent"
	m := &metrics{
		repairs:   prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "repairs_total", Help: "Repairs in place, by what became of them."}, []string{"result"}),
		seconds:   prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "repair_seconds", Help: "From when a pod was heard to have an address until its rules were live, of those that were repaired.", Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}}),
		evictions: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "evictions_total", Help: "Evictions of pods that run without rules, by what became of them."}, []string{"result"}),
		lookups:   prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "netns_lookup_errors_total", Help: "Lookups that did not find a pod's network namespace."}),
	}
	to.MustRegister(m.repairs, m.seconds, m.evictions, m.lookups)
	for _, s := range states() {
		to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: "pods", ConstLabels: prometheus.Labels{"state": string(s)},
			Help: "Meshed pods of the node that have an address, by what is known of their rules."}, func() float64 { return float64(pods.count()[s]) }))
	}
	return m
}

// The results of repairs and evictions.
const (
	done   = "done"
	failed = "failed"
	gone   = "gone"  // the pod was, when it was to be acted upon
	later  = "later" // a disruption budget allows no eviction now
)
