package caddymodule

import "github.com/prometheus/client_golang/prometheus"

var (
	ringBrokenDesc = prometheus.NewDesc("wikiveil_keyring_broken",
		"1 where the key ring in the storage can't be read, is gone or an older copy, and the last good one holds.", nil, nil)
	ringDisagreeDesc = prometheus.NewDesc("wikiveil_keyring_disagree",
		"1 where edges that share the key ring have different policies for it; the longest of each holds.", nil, nil)
	ringEpochsDesc = prometheus.NewDesc("wikiveil_keyring_epochs",
		"Epochs of the key ring, and how many of them will be destroyed.", []string{"state"}, nil)
	ringDestroyedDesc = prometheus.NewDesc("wikiveil_keyring_destroyed_total",
		"Epochs whose secrets this edge has destroyed.", nil, nil)
)

// ringCollector reads how a key ring in a storage fares when metrics are asked for.
type ringCollector struct{ keys *keyRing }

// Describe implements prometheus.Collector.
func (ringCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{ringBrokenDesc, ringDisagreeDesc, ringEpochsDesc, ringDestroyedDesc} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c ringCollector) Collect(to chan<- prometheus.Metric) {
	s := c.keys.shared
	if s == nil {
		return // of configured secrets nothing is to be told
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	truth := func(desc *prometheus.Desc, is bool) {
		if is {
			gauge(desc, 1)
			return
		}
		gauge(desc, 0)
	}
	truth(ringBrokenDesc, s.broken.Load())
	truth(ringDisagreeDesc, s.disagreeing.Load())
	epochs := c.keys.ring.Load().Epochs()
	marked := 0
	for _, e := range epochs {
		if !e.Destroy().IsZero() {
			marked++
		}
	}
	gauge(ringEpochsDesc, float64(len(epochs)-marked), "kept")
	gauge(ringEpochsDesc, float64(marked), "to_be_destroyed")
	to <- prometheus.MustNewConstMetric(ringDestroyedDesc, prometheus.CounterValue, float64(s.destroyed.Load()))
}

// Interface guard
var _ prometheus.Collector = ringCollector{}
