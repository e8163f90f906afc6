package tools

import (
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Limits of tools that set none. A page with a map asks for some dozens of tiles at once,
// and one mask may stand for a whole school.
var (
	defaultClientLimit = noticeboard.Rate{Count: 600, Per: time.Minute}
	defaultToolLimit   = noticeboard.Rate{Count: 6000, Per: time.Minute}
)

var breakerState = metrics.NewGauge("tool_breaker_state",
	"Whether a tool is asked: 0 it is, 1 by one request at a time to see whether it answers again, "+
		"2 it is left alone, as it doesn't answer or has asked for a pause.", "tool")

// breakerReadings are of all tools. One that has just moved has two transports.
func breakerReadings() metrics.Readings {
	return metrics.ReadingsOf(func(tell metrics.Telling) {
		states := make(map[string]gobreaker.State)
		for _, transport := range toolTransports.All() {
			states[transport.tool] = max(states[transport.tool], transport.Breaker())
		}
		for tool, state := range states {
			tell(breakerState, float64(state), tool)
		}
	}, breakerState)
}
