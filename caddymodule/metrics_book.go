package caddymodule

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bookCollector reads a book's numbers when metrics are asked for. Its counters start
// anew with a book, that is when the configuration of sightings changes.
type bookCollector struct{ book *recordBook }

var (
	sightingsDesc = prometheus.NewDesc("wikiveil_sightings_total",
		"Sightings by outcome: stored, failed (the store refused them) or dropped (of requests that don't publish), over_limit (of networks that made as many records as one may).", []string{"outcome"}, nil)
	sightingsQueuedDesc = prometheus.NewDesc("wikiveil_sightings_queued",
		"First sightings of clients that wait to be stored.", nil, nil)
	geoAgeDesc = prometheus.NewDesc("wikiveil_geoip_age_seconds",
		"Time since the GeoIP database in use was built by its maker.", []string{"database"}, nil)
	geoBrokenDesc = prometheus.NewDesc("wikiveil_geoip_broken",
		"1 where the file of a GeoIP database is broken or missing and the last good one is in use.", []string{"database"}, nil)
)

// Describe implements prometheus.Collector.
func (bookCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sightingsDesc, sightingsQueuedDesc, geoAgeDesc, geoBrokenDesc} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c bookCollector) Collect(to chan<- prometheus.Metric) {
	stats := c.book.Stats()
	counter := func(n uint64, outcome string) {
		to <- prometheus.MustNewConstMetric(sightingsDesc, prometheus.CounterValue, float64(n), outcome)
	}
	counter(stats.Written, "stored")
	counter(stats.Failed, "failed")
	counter(stats.Dropped, "dropped")
	counter(stats.Over, "over_limit")
	to <- prometheus.MustNewConstMetric(sightingsQueuedDesc, prometheus.GaugeValue, float64(stats.Queued))
	for _, s := range c.book.geo.Status() {
		database, broken := strings.ToLower(s.Kind), 0.0
		if s.Err != nil {
			broken = 1
		}
		to <- prometheus.MustNewConstMetric(geoAgeDesc, prometheus.GaugeValue, time.Since(s.Built).Seconds(), database)
		to <- prometheus.MustNewConstMetric(geoBrokenDesc, prometheus.GaugeValue, broken, database)
	}
}

// Interface guards
var (
	_ prometheus.Collector = bookCollector{}
)
