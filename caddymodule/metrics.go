package caddymodule

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/health"
)

// metrics are Wikiveil's counters. They live in the usage pool, so counts go on
// over a config reload, and are registered anew in each config's registry.
// No label ever holds an address or a mask.
type metrics struct {
	// masks counts requests that went on with a mask, by mode ("mask", "observe").
	masks            *prometheus.CounterVec
	masked, observed prometheus.Counter
	// refused counts requests that the edge refused, by reason.
	refused *prometheus.CounterVec
	// tools counts requests to the anonymizing proxy, by declared tool and outcome.
	tools *prometheus.CounterVec
	// mirrors counts attempts to fetch a mirrored file, by declared tool and outcome.
	mirrors *prometheus.CounterVec
	// refreshes counts requests that the edge made by itself, by declared tool and outcome.
	refreshes *prometheus.CounterVec
	// lookups counts requests about masks, by action ("info", "compare", "reveal", "audit") and outcome
	// ("answered", or why not).
	lookups *prometheus.CounterVec
	// policies counts responses given a policy header, by mode ("enforce", "report").
	policies *prometheus.CounterVec
	// reports counts violation reports, and refused requests with them, by outcome ("accepted",
	// "noise", "bad", "limited", "refused") and reason.
	reports *prometheus.CounterVec
	// consents counts what became of requests about exemptions: "asked", "granted", "withdrawn" or why not.
	consents *prometheus.CounterVec
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "wikiveil", Name: name, Help: help,
		}, labels)
	}
	m := &metrics{
		masks:     counter("masked_requests_total", "Requests passed on with a mask.", "mode"),
		refused:   counter("refused_requests_total", "Requests the edge refused.", "reason"),
		tools:     counter("tool_requests_total", "Requests to the anonymizing proxy.", "tool", "outcome"),
		mirrors:   counter("tool_mirror_fetches_total", "Attempts to fetch files of mirrors.", "tool", "outcome"),
		refreshes: counter("tool_refreshes_total", "Requests to tools that were made on a schedule, for no reader.", "tool", "outcome"),
		lookups:   counter("mask_lookups_total", "Questions about masks.", "action", "outcome"),
		policies:  counter("policy_headers_total", "Responses given a Content-Security-Policy.", "mode"),
		reports:   counter("csp_reports_total", "Violation reports received.", "outcome", "reason"),
		consents:  counter("consents_total", "Requests about exemptions of readers.", "outcome"),
	}
	m.masked, m.observed = m.masks.WithLabelValues("mask"), m.masks.WithLabelValues("observe")
	return m
}

// metricsPool has one value.
var metricsPool = pool.New[*metrics]("metrics")

func pooledMetrics(held *pool.Held) (*metrics, error) {
	return metricsPool.Acquire(held, "metrics", func(*pool.Held) (*metrics, error) { return newMetrics(), nil })
}

// register adds the counters to a config's registry. Two sites of one config
// share the counters, so having them already is no error.
func (m *metrics) register(registry prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.masks, m.refused, m.tools, m.mirrors, m.refreshes, m.lookups, m.policies, m.reports, m.consents} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &already) {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

var storeUp = gauge("store_up", "1 where a store works, 0 where it is down and what depends on it gets 503.", "store")

func storeReadings() readings {
	return readingsOf(func(tell telling) {
		for name, up := range health.Up() {
			tell(storeUp, truth(up), name)
		}
	}, storeUp)
}
