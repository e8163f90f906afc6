package metrics

import "github.com/prometheus/client_golang/prometheus"

// reading is a metric whose values are read when metrics are asked for.
type reading struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func NewGauge(name, help string, labels ...string) reading {
	return reading{prometheus.NewDesc("wikiveil_"+name, help, labels, nil), prometheus.GaugeValue}
}

func NewCounter(name, help string, labels ...string) reading {
	return reading{prometheus.NewDesc("wikiveil_"+name, help, labels, nil), prometheus.CounterValue}
}

// Telling tells the value of a reading, for its labels.
type Telling func(r reading, value float64, labels ...string)

// Readings are those that one function tells.
type Readings struct {
	of   []reading
	tell func(Telling)
}

// ReadingsOf are what tell tells.
func ReadingsOf(tell func(Telling), of ...reading) Readings { return Readings{of, tell} }

// Describe implements prometheus.Collector.
func (r Readings) Describe(to chan<- *prometheus.Desc) {
	for _, one := range r.of {
		to <- one.desc
	}
}

// Collect implements prometheus.Collector.
func (r Readings) Collect(to chan<- prometheus.Metric) {
	r.tell(func(one reading, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(one.desc, one.kind, value, labels...)
	})
}

// Truth is 1 for true.
func Truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Interface guard
var _ prometheus.Collector = Readings{}
