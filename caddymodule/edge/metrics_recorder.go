package edge

import (
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
)

var (
	sightingsStored = metrics.NewCounter("sightings_total",
		"Sightings by outcome: stored, failed (the store refused them) or dropped (of requests that don't publish), over_limit (of networks that made as many records as one may).", "outcome")
	sightingsQueued = metrics.NewGauge("sightings_queued", "First sightings of clients that wait to be stored.")
	geoAge          = metrics.NewGauge("geoip_age_seconds", "Time since the GeoIP database in use was built by its maker.", "database")
	geoBroken       = metrics.NewGauge("geoip_broken", "1 where the file of a GeoIP database is broken or missing and the last good one is in use.", "database")
)

// recorderReadings are a recorder's. Its counters start anew with a recorder, that is when the configuration of sightings changes.
func recorderReadings(recorder *recorder) metrics.Readings {
	return metrics.ReadingsOf(func(tell metrics.Telling) {
		stats := recorder.Stats()
		tell(sightingsStored, float64(stats.Written), "stored")
		tell(sightingsStored, float64(stats.Failed), "failed")
		tell(sightingsStored, float64(stats.Dropped), "dropped")
		tell(sightingsStored, float64(stats.Over), "over_limit")
		tell(sightingsQueued, float64(stats.Queued))
		for _, s := range recorder.geo.Status() {
			database := strings.ToLower(s.Kind)
			tell(geoAge, time.Since(s.Built).Seconds(), database)
			tell(geoBroken, metrics.Truth(s.Err != nil), database)
		}
	}, sightingsStored, sightingsQueued, geoAge, geoBroken)
}
