package caddymodule

import "github.com/prometheus/client_golang/prometheus"

// reading is a metric whose values are read when metrics are asked for.
type reading struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) reading {
	return reading{prometheus.NewDesc("wikiveil_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) reading {
	return reading{prometheus.NewDesc("wikiveil_"+name, help, labels, nil), prometheus.CounterValue}
}

// telling tells the value of a reading, for its labels.
type telling func(r reading, value float64, labels ...string)

// readings are those that one function tells.
type readings struct {
	of   []reading
	tell func(telling)
}

// readingsOf are what tell tells.
func readingsOf(tell func(telling), of ...reading) readings { return readings{of, tell} }

// Describe implements prometheus.Collector.
func (r readings) Describe(to chan<- *prometheus.Desc) {
	for _, one := range r.of {
		to <- one.desc
	}
}

// Collect implements prometheus.Collector.
func (r readings) Collect(to chan<- prometheus.Metric) {
	r.tell(func(one reading, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(one.desc, one.kind, value, labels...)
	})
}

// truth is 1 for true.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Interface guard
var _ prometheus.Collector = readings{}
