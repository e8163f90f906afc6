package caddymodule

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/masking"
)

// reportCollectors are in use over config reloads, by the place where they keep reports.
var reportCollectors = pool.New[*reportCollector]("report collectors")

type reportCollector struct {
	*reports.Collector
	store reports.Store
}

// keep has reports kept for so many days from now on.
func (c *reportCollector) keep(days int) {
	if keeper, ok := c.store.(reports.Keeper); ok {
		keeper.SetKeep(days)
	}
}

// openCollector returns the collector of a site.
func (a *App) openCollector(c *CSP, secret []byte) (*reportCollector, error) {
	key, open, err := a.reportStore(c)
	if err != nil {
		return nil, err
	}
	return reportCollectors.Acquire(&a.held, key, pool.Closing(func() (*reportCollector, error) {
		return a.newCollector(open, secret)
	}))
}

func (a *App) newCollector(open func() (reports.Store, error), secret []byte) (*reportCollector, error) {
	key, err := masking.DeriveKey(secret, "csp-reports")
	if err != nil {
		return nil, err
	}
	m := a.metrics
	store, err := open()
	if err != nil {
		return nil, err
	}
	collector, err := reports.New(reports.Config{
		Store: store, Secret: key, Log: pooledLogger(),
		Client: func(r *http.Request) string {
			if client := reqstate.Known(r).Client; client != nil {
				return client.Mask
			}
			return ""
		},
		Names: func(r *http.Request, text string) bool {
			client := reqstate.Known(r).Client
			return client != nil && client.Finder.Finds(text)
		},
		Observe: func(outcome string, reason reports.Reason, n int) {
			m.reports.WithLabelValues(outcome, string(reason)).Add(float64(n))
		},
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &reportCollector{Collector: collector, store: store}, nil
}

// reportStore returns the key of the place of a site's reports, and what opens it.
func (a *App) reportStore(c *CSP) (string, func() (reports.Store, error), error) {
	name, keep := placeName(c.Site), c.Reports.keepDays()
	if a.Sightings != nil && a.Sightings.Redis != nil {
		place := a.Sightings.Redis
		prefix := cmp.Or(place.Prefix, "wikiveil:") + "csp-reports:" + name + ":"
		return place.hash(prefix), func() (reports.Store, error) {
			client, err := redisclient.Open(place.resolve())
			if err != nil {
				return nil, err
			}
			return reports.NewRedis(client, prefix, keep)
		}, nil
	}
	file, err := filepath.Abs(filepath.Join(a.dataDir(), "csp-reports", name+".db"))
	if err != nil {
		return "", nil, err
	}
	passed := a.clock.Passed // not a itself: the store outlives its config
	return "bbolt " + file, func() (reports.Store, error) { return openFileReports(name, file, keep, passed) }, nil
}

const hashedName = "sha256-"

// placeName is a site's name where it is fit for a file's on any system, else a hash of it.
func placeName(site string) string {
	unfit := func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune(".-_", r))
	}
	if site != "" && len(site) <= 64 && site[0] != '.' && !strings.HasPrefix(site, hashedName) && !strings.ContainsFunc(site, unfit) {
		return site
	}
	sum := sha256.Sum256([]byte(site))
	return hashedName + hex.EncodeToString(sum[:16])
}
