package metrics

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/health"
)

// Counters are Wikiveil's counters. They live in the usage pool, so counts go on
// over a config reload, and are registered anew in each config's registry.
// No label ever holds an address or a mask.
type Counters struct {
	// masks counts requests that went on with a mask, by mode ("mask", "observe").
	masks            *prometheus.CounterVec
	Masked, Observed prometheus.Counter
	// Refused counts requests that the edge refused, by reason.
	Refused *prometheus.CounterVec
	// Sessions counts what became of session cookies: "offered", "granted", "over_budget", "forged", "duplicate", "expired" or "failed".
	Sessions *prometheus.CounterVec
	// Tools counts requests to the anonymizing proxy, by declared tool and outcome.
	Tools *prometheus.CounterVec
	// Mirrors counts attempts to fetch a mirrored file, by declared tool and outcome.
	Mirrors *prometheus.CounterVec
	// Refreshes counts requests that the edge made by itself, by declared tool and outcome.
	Refreshes *prometheus.CounterVec
	// Lookups counts requests about masks, by action ("info", "compare", "reveal", "audit") and outcome
	// ("answered", or why not).
	Lookups *prometheus.CounterVec
	// Policies counts responses given a policy header, by mode ("enforce", "report").
	Policies *prometheus.CounterVec
	// Reports counts violation reports, and refused requests with them, by outcome ("accepted",
	// "noise", "bad", "limited", "refused") and reason.
	Reports *prometheus.CounterVec
	// Consents counts what became of requests about exemptions: "asked", "granted", "withdrawn" or why not.
	Consents *prometheus.CounterVec
}

func newCounters() *Counters {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "wikiveil", Name: name, Help: help,
		}, labels)
	}
	m := &Counters{
		masks:     counter("masked_requests_total", "Requests passed on with a mask.", "mode"),
		Refused:   counter("refused_requests_total", "Requests the edge refused.", "reason"),
		Sessions:  counter("sessions_total", "What became of session cookies, where `mask_by session` is set.", "outcome"),
		Tools:     counter("tool_requests_total", "Requests to the anonymizing proxy.", "tool", "outcome"),
		Mirrors:   counter("tool_mirror_fetches_total", "Attempts to fetch files of mirrors.", "tool", "outcome"),
		Refreshes: counter("tool_refreshes_total", "Requests to tools that were made on a schedule, for no reader.", "tool", "outcome"),
		Lookups:   counter("mask_lookups_total", "Questions about masks.", "action", "outcome"),
		Policies:  counter("policy_headers_total", "Responses given a Content-Security-Policy.", "mode"),
		Reports:   counter("csp_reports_total", "Violation reports received.", "outcome", "reason"),
		Consents:  counter("consents_total", "Requests about exemptions of readers.", "outcome"),
	}
	m.Masked, m.Observed = m.masks.WithLabelValues("mask"), m.masks.WithLabelValues("observe")
	return m
}

// metricsPool has one value.
var metricsPool = pool.New[*Counters]("metrics")

func Pooled(held *pool.Held) (*Counters, error) {
	return metricsPool.Acquire(held, "metrics", func(*pool.Held) (*Counters, error) { return newCounters(), nil })
}

// Register adds the counters to a config's registry. Two sites of one config
// share the counters, so having them already is no error.
func (m *Counters) Register(registry prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.masks, m.Refused, m.Sessions, m.Tools, m.Mirrors, m.Refreshes, m.Lookups, m.Policies, m.Reports, m.Consents} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &already) {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

var storeUp = NewGauge("store_up", "1 where a store works, 0 where it is down and what depends on it gets 503.", "store")

func StoreReadings() Readings {
	return ReadingsOf(func(tell Telling) {
		for name, up := range health.Up() {
			tell(storeUp, Truth(up), name)
		}
	}, storeUp)
}

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

// Interface guards
var (
	_ prometheus.Collector = Readings{}
)
