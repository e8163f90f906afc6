package tools

import (
	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
)

var (
	canaryFailed = metrics.NewGauge("tool_canary_failed", "1 where the canary found that a tool could tell readers apart.", "tool")
	canaryBroken = metrics.NewGauge("tool_canary_broken", "1 where the canary of a tool can't be run, or its transcript not be published.", "tool")
	canaryTime   = metrics.NewGauge("tool_canary_time_seconds", "When the canary of a tool last found out what the tool gets, in Unix time.", "tool")
)

// canaryReadings are of all canaries. Where several sites have a tool, the worst of it is told.
func canaryReadings(canaries *toolCanaries) metrics.Readings {
	return metrics.ReadingsOf(func(tell metrics.Telling) {
		type fate struct{ failed, broken, time float64 }
		fates := make(map[string]fate)
		for _, r := range canaries.all() {
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
			tell(canaryFailed, f.failed, tool)
			tell(canaryBroken, f.broken, tool)
			tell(canaryTime, f.time, tool)
		}
	}, canaryFailed, canaryBroken, canaryTime)
}
