package edge

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/lookup/geo"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/networkfeed"
)

// networkSets are in use over config reloads.
var networkSets = pool.New[*networkfeed.Set]("networks")

// firstFetch bounds how long a start waits for lists that never were fetched: without them, blocks of their networks don't hold.
const firstFetch = 10 * time.Second

// openNetworks reads the lists. They are fetched and stored from the start on.
func (a *App) openNetworks(ctx caddy.Context) (err error) {
	storage := StorageOf(ctx)
	config := networkfeed.Config{Networks: a.networks, Storage: storage, Log: Slog()}
	made, err := json.Marshal(a.networks)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%s %x", StorageKey(storage), sha256.Sum256(made))
	a.named, err = networkSets.Acquire(&a.held, key, func(*pool.Held) (*networkfeed.Set, error) {
		opening, cancel := context.WithTimeout(context.Background(), StorageTimeout)
		defer cancel()
		return networkfeed.Open(opening, config)
	})
	if err != nil {
		return err
	}
	a.OnStart(func() error {
		fetching, cancel := context.WithTimeout(context.Background(), firstFetch)
		defer cancel()
		a.named.Begin(fetching)
		WhileHeld(&a.held, a.named.Follow)
		return nil
	})
	return nil
}

// NamedNetworks returns the named networks as they are now: another value after each change of a list.
func (a *App) NamedNetworks() *masking.Networks {
	if a.named == nil {
		return nil
	}
	return a.named.Networks()
}

// NetworkNames are those that a client can be in: what is configured, what a database knows, and that of the onion services.
func (a *App) NetworkNames() []string {
	names := append(slices.Clone(a.NamedNetworks().Names()), masking.OnionNetwork)
	if a.Sightings != nil && a.Sightings.GeoIP != nil && a.Sightings.GeoIP.Anonymous != "" {
		names = append(names, geo.AnonymousNames...)
	}
	return names
}

var (
	networkRanges  = metrics.NewGauge("network_ranges", "Ranges of the lists in use of a named network.", "network")
	networkAge     = metrics.NewGauge("network_list_age_seconds", "Time since the oldest list in use of a named network was written, or last fetched.", "network")
	networkMissing = metrics.NewGauge("network_lists_missing", "Lists of a named network of which there never was a good one: blocks of the network don't hold for who stands in them.", "network")
	networkRefused = metrics.NewCounter("network_list_refused_total", "Lists of named networks that were refused, by reason; the last good one stayed in use.", "network", "reason")
)

func networkReadings(set *networkfeed.Set) metrics.Readings {
	return metrics.ReadingsOf(func(tell metrics.Telling) {
		for _, s := range set.Status() {
			tell(networkRanges, float64(s.Ranges), s.Network)
			tell(networkMissing, float64(s.Missing), s.Network)
			if s.Ranges > 0 {
				tell(networkAge, s.Age.Seconds(), s.Network)
			}
		}
		set.Refusals(func(r networkfeed.Refused, n uint64) { tell(networkRefused, float64(n), r.Network, r.Reason) })
	}, networkRanges, networkAge, networkMissing, networkRefused)
}
