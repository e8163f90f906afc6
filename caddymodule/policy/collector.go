package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/internal/kv"
)

// reportCollectors are in use over config reloads, by the place where they keep reports.
var reportCollectors = pool.New[*reports.Collector]("report collectors")

// openCollector returns the collector of a site.
func openCollector(a *edge.App, c *CSP) (*reports.Collector, error) {
	key, open, err := a.Store("csp-reports/"+placeName(c.Site), "reports of this site are counted in memory; forecasts and the rollout's plot get 503")
	if err != nil {
		return nil, err
	}
	return reportCollectors.Acquire(a.Held(), key, pool.Closing(func() (*reports.Collector, error) {
		return newCollector(a, open, c.Reports.keepDays())
	}))
}

func newCollector(a *edge.App, open func() (kv.Store, error), keep int) (*reports.Collector, error) {
	m := a.Metrics()
	store, err := open()
	if err != nil {
		return nil, err
	}
	collector, err := reports.New(reports.Config{
		Store: store, Keep: keep, Passed: a.Clock().Passed, Log: edge.Slog(),
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
			m.Reports.WithLabelValues(outcome, string(reason)).Add(float64(n))
		},
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return collector, nil
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
