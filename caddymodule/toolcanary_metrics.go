package caddymodule

import (
	"github.com/prometheus/client_golang/prometheus"
)

// canaryCollector reads how canaries fare when metrics are asked for.
type canaryCollector struct{ canaries *toolCanaries }

var (
	canaryFailedDesc = prometheus.NewDesc("wikiveil_tool_canary_failed",
		"1 where the canary found that a tool could tell readers apart.", []string{"tool"}, nil)
	canaryBrokenDesc = prometheus.NewDesc("wikiveil_tool_canary_broken",
		"1 where the canary of a tool can't be run, or its transcript not be published.", []string{"tool"}, nil)
	canaryTimeDesc = prometheus.NewDesc("wikiveil_tool_canary_time_seconds",
		"When the canary of a tool last found out what the tool gets, in Unix time.", []string{"tool"}, nil)
)

// Describe implements prometheus.Collector.
func (canaryCollector) Describe(to chan<- *prometheus.Desc) {
	to <- canaryFailedDesc
	to <- canaryBrokenDesc
	to <- canaryTimeDesc
}

// Collect implements prometheus.Collector. Where several sites have a tool, the worst of it is told.
func (c canaryCollector) Collect(to chan<- prometheus.Metric) {
	type fate struct{ failed, broken, time float64 }
	fates := make(map[string]fate)
	for _, r := range c.canaries.all() {
		for tool, s := range r.canaryBook.all {
			f, other := fates[tool]
			if len(s.differences) > 0 {
				f.failed = 1
			}
			if s.err != nil {
				f.broken = 1
			}
			if ran := float64(max(0, s.ran.Unix())); !other || ran < f.time { // before 1970: never
				f.time = ran
			}
			fates[tool] = f
		}
	}
	for tool, f := range fates {
		to <- prometheus.MustNewConstMetric(canaryFailedDesc, prometheus.GaugeValue, f.failed, tool)
		to <- prometheus.MustNewConstMetric(canaryBrokenDesc, prometheus.GaugeValue, f.broken, tool)
		to <- prometheus.MustNewConstMetric(canaryTimeDesc, prometheus.GaugeValue, f.time, tool)
	}
}

// Interface guard
var _ prometheus.Collector = canaryCollector{}
