package caddymodule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Limits of tools that set none. A page with a map asks for some dozens of tiles at once,
// and one mask may stand for a whole school.
var (
	defaultClientLimit = noticeboard.Rate{Count: 600, Per: time.Minute}
	defaultToolLimit   = noticeboard.Rate{Count: 6000, Per: time.Minute}
)

// toolGates keep how often tools were asked, and whether they answer, over config reloads and
// changes of the noticeboard, shared by all sites.
var toolGates = pool.New[toolGate]("tool gates")

// toolGate is a gate with the name of its tool.
type toolGate struct {
	*anonproxy.Gate
	tool string
}

// gate takes a tool's gate from the pool, until the proxy's last user has gone. A tool that
// moves is another: that the one before didn't answer says nothing of it.
func (p *toolProxy) gate(tool *noticeboard.Tool) *anonproxy.Gate {
	pooled, _ := toolGates.Acquire(&p.held, anonproxy.TransportKey(tool), func(*pool.Held) (toolGate, error) { // never an error
		return toolGate{anonproxy.NewGate(), tool.Name}, nil
	})
	return pooled.Gate
}

// gateCollector reads whether tools answer when metrics are asked for.
type gateCollector struct{}

var breakerDesc = prometheus.NewDesc("wikiveil_tool_breaker_state",
	"Whether a tool is asked: 0 it is, 1 by one request at a time to see whether it answers again, "+
		"2 it is left alone, as it doesn't answer or has asked for a pause.", []string{"tool"}, nil)

// Describe implements prometheus.Collector.
func (gateCollector) Describe(to chan<- *prometheus.Desc) { to <- breakerDesc }

// Collect implements prometheus.Collector. A tool that has just moved has two gates.
func (gateCollector) Collect(to chan<- prometheus.Metric) {
	states := make(map[string]gobreaker.State)
	for _, gate := range toolGates.All() {
		states[gate.tool] = max(states[gate.tool], gate.Breaker())
	}
	for tool, state := range states {
		to <- prometheus.MustNewConstMetric(breakerDesc, prometheus.GaugeValue, float64(state), tool)
	}
}

// Interface guard
var _ prometheus.Collector = gateCollector{}
