package edge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/lookup/geo"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/boltstore"
	"github.com/wikiveil/wikiveil/lookup/sightings/redisstore"
	"github.com/wikiveil/wikiveil/masking"
)

// recordStores and recorders are in use over config reloads. A store is a place that one
// process opens once; two configs that use it differently have a recorder each.
var (
	recordStores = pool.New[sightings.Store]("record stores")
	recorders    = pool.New[*recorder]("recorders")
)

// recorder is a sightings.Recorder with what it was made of.
type recorder struct {
	*sightings.Recorder
	geo *geo.DB
}

// lookup tells of networks around an address, for the masks that travel.
func (b *recorder) lookup(addr netip.Addr) masking.Surroundings {
	if b == nil {
		return masking.Surroundings{}
	}
	info := b.geo.Networks(addr)
	return masking.Surroundings{Allocation: info.Allocation, Networks: info.Networks}
}

// Generation changes when what was looked up is old.
func (b *recorder) Generation() uint64 {
	if b == nil {
		return 0
	}
	return b.geo.Generation()
}

// openRecorder returns the recorder that fits a's configuration.
func openRecorder(ctx caddy.Context, held *pool.Held, a *App) (*recorder, error) {
	key, err := a.recorderKey()
	if err != nil {
		return nil, err
	}
	return recorders.Acquire(held, key, func(own *pool.Held) (*recorder, error) { return newRecorder(ctx, own, a) })
}

// recorderKey tells recorders apart by all that they are made of. It is a hash, since a URL can hold a password.
func (a *App) recorderKey() (string, error) {
	config := *a.Sightings
	if config.Redis != nil {
		place := *config.Redis
		place.URLs = place.resolve().URLs
		config.Redis = &place
	}
	if config.Seal != nil {
		// Files and the environment may say something else now than they did before.
		seal := *config.Seal
		seal.Recipients = []string{caddy.NewReplacer().ReplaceAll(strings.Join(seal.Recipients, "\n"), "")}
		config.Seal = &seal
	}
	data, err := json.Marshal([]any{config, a.FilesDir(), a.keys.id})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// provisionSightings has the records opened at the start, where there are to be any.
func (a *App) provisionSightings(ctx caddy.Context) error {
	if a.Sightings == nil {
		return nil
	}
	if err := a.checkSightings(); err != nil {
		return err
	}
	a.OnStart(func() (err error) {
		if a.recorder, err = openRecorder(ctx, &a.heldByLookups, a); err != nil {
			return fmt.Errorf("opening the records of sightings: %w", err)
		}
		return ctx.GetMetricsRegistry().Register(recorderReadings(a.recorder))
	})
	return nil
}

// checkSightings finds out what is wrong with the configuration, and opens nothing for writing.
func (a *App) checkSightings() error {
	key, err := a.recorderKey()
	if err != nil {
		return err
	}
	if recorders.Users(key) > 0 {
		return nil // a reload that changes nothing of it
	}
	db, err := a.Sightings.GeoIP.open()
	if err != nil {
		return fmt.Errorf("opening the records of sightings: %w", err)
	}
	db.Close()
	for _, status := range db.Status() {
		if age := a.clock.Now().Sub(status.Built); age > oldGeoIP {
			configcheck.WarnOf(a.logger, oldDatabase(status.Kind, status.Built, age)+"; "+renewGeoIP)
		}
	}
	if a.Sightings.Seal != nil {
		_, err = a.Sightings.Seal.sealer()
	}
	return err
}

func newRecorder(ctx caddy.Context, own *pool.Held, a *App) (_ *recorder, err error) {
	c, keys := a.Sightings, a.keys
	b := new(recorder)
	if b.geo, err = c.GeoIP.open(); err != nil {
		return nil, err
	}
	own.Add(b.geo.Close)
	config := sightings.Config{
		Epochs: keys.Readable, Geo: b.geo, Retention: c.retention(), Limits: c.limits(), Log: Slog(), Passed: a.clock.Passed,
	}
	if c.Seal != nil {
		if config.Sealer, err = c.Seal.sealer(); err != nil {
			return nil, err
		}
	}
	if config.Store, err = openRecordStore(ctx, own, a); err != nil {
		return nil, err
	}
	if b.Recorder, err = sightings.New(config); err != nil {
		return nil, err
	}
	own.Add(b.Recorder.Close)
	return b, nil
}

// What the Redis client says of each try is for debugging: that Redis is away is said once.
func init() { redis.SetLogger(redisLogger{}) }

type redisLogger struct{}

// Printf implements the client's logger.
func (redisLogger) Printf(_ context.Context, format string, v ...any) {
	Log().Debug("redis client", zap.String("message", fmt.Sprintf(format, v...)))
}

func openRecordStore(ctx caddy.Context, held *pool.Held, a *App) (sightings.Store, error) {
	c := a.Sightings
	var key string
	var open func() (sightings.Store, error)
	if c.Redis != nil {
		config := redisstore.Config{Redis: c.Redis.resolve(), Prefix: c.Redis.Prefix, Retention: c.retention()}
		key = c.Redis.hash(config.Prefix, config.Retention)
		open = func() (sightings.Store, error) {
			opening, cancel := context.WithTimeout(ctx, StorageTimeout)
			defer cancel()
			return redisstore.Open(opening, config)
		}
	} else {
		dir, err := filepath.Abs(filepath.Join(a.FilesDir(), "sightings"))
		if err != nil {
			return nil, err
		}
		key = "bbolt " + dir
		open = func() (sightings.Store, error) {
			return openFileSightings(func() (sightings.Store, error) { return boltstore.Open(dir) })
		}
	}
	return recordStores.Acquire(held, key, pool.Closing(open))
}

// SightingSite prepares the site of a client_mask for sightings, under the epoch in use.
func (a *App) SightingSite(epochs *Epochs, config masking.SiteConfig) (*sightings.Site, error) {
	if a.Sightings == nil {
		return nil, nil
	}
	return sightings.NewSite(epochs.List[0], config)
}

var (
	sightingsStored = metrics.NewCounter("sightings_total",
		"Sightings by outcome: stored, failed (the store refused them) or dropped (of requests that don't publish), over_limit (of networks that made as many records as one may).", "outcome")
	sightingsQueued = metrics.NewGauge("sightings_queued", "First sightings of clients that wait to be stored.")
	membersFull     = metrics.NewCounter("sightings_members_full_total", "Clients that the members of one of their networks don't show, as it has as many as one may have a day.")
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
		tell(membersFull, float64(stats.Full))
		tell(sightingsQueued, float64(stats.Queued))
		for _, s := range recorder.geo.Status() {
			database := strings.ToLower(s.Kind)
			tell(geoAge, time.Since(s.Built).Seconds(), database)
			tell(geoBroken, metrics.Truth(s.Err != nil), database)
		}
	}, sightingsStored, membersFull, sightingsQueued, geoAge, geoBroken)
}
