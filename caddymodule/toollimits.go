package caddymodule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// Limits of tools that set none. A page with a map asks for some dozens of tiles at once,
// and one mask may stand for a whole school.
var (
	defaultClientLimit = noticeboard.Rate{Count: 600, Per: time.Minute}
	defaultToolLimit   = noticeboard.Rate{Count: 6000, Per: time.Minute}
)

// breakerCollector reads whether tools answer when metrics are asked for.
type breakerCollector struct{}

var breakerDesc = prometheus.NewDesc("wikiveil_tool_breaker_state",
	"Whether a tool is asked: 0 it is, 1 by one request at a time to see whether it answers again, "+
		"2 it is left alone, as it doesn't answer or has asked for a pause.", []string{"tool"}, nil)

// Describe implements prometheus.Collector.
func (breakerCollector) Describe(to chan<- *prometheus.Desc) { to <- breakerDesc }

// Collect implements prometheus.Collector. A tool that has just moved has two transports.
func (breakerCollector) Collect(to chan<- prometheus.Metric) {
	states := make(map[string]gobreaker.State)
	for _, transport := range toolTransports.All() {
		states[transport.tool] = max(states[transport.tool], transport.Breaker())
	}
	for tool, state := range states {
		to <- prometheus.MustNewConstMetric(breakerDesc, prometheus.GaugeValue, float64(state), tool)
	}
}

// Interface guard
var _ prometheus.Collector = breakerCollector{}
