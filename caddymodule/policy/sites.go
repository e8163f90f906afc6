package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/csp/rollout"
	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/masking"
)

// cspSites are an app's sites that collect reports or roll a policy out.
type cspSites struct {
	app    *edge.App
	mu     sync.Mutex
	sites  map[string]*cspSite
	secret []byte        // of rollouts
	book   *rollout.Book // nil: no site rolls out
}

var siteParts = edge.NewPart[cspSites]()

// Provision implements what [edge.Part] calls.
func (s *cspSites) Provision(_ caddy.Context, a *edge.App) error {
	s.app = a
	return nil
}

// cspSite is one of them. A directive stands in several routes: those of its name share it.
type cspSite struct {
	name       string
	options    []byte // as JSON: directives of one name must agree
	collector  *reports.Collector
	keepDays   int // that its reports are kept
	groups     *rollout.Groups
	configured rollout.Share
	book       *rollout.Book
	about      siteReports // for forecasts
}

// add returns the site of a directive with reports or a rollout, which the first one of its name has
// opened at the start.
func (s *cspSites) add(ctx caddy.Context, c *CSP) (*cspSite, error) {
	options, err := json.Marshal([]any{c.Reports, c.Rollout})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if site := s.sites[c.Site]; site != nil {
		if !bytes.Equal(site.options, options) {
			return nil, fmt.Errorf("two sites are called %q and have other reports or another rollout: give one another name with `site`", c.Site)
		}
		return site, nil
	}
	site := &cspSite{name: c.Site, options: options, about: c.about()}
	if c.Rollout != "" {
		site.configured = c.share
	}
	if s.sites == nil {
		s.sites = make(map[string]*cspSite)
	}
	s.sites[c.Site] = site
	s.app.OnStart(func() error { return s.open(ctx, c, site) })
	return site, nil
}

// open opens what a site keeps.
func (s *cspSites) open(ctx caddy.Context, c *CSP, site *cspSite) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Reports != nil {
		if site.collector, err = openCollector(s.app, c); err != nil {
			return fmt.Errorf("opening the reports of %s: %w", c.Site, err)
		}
		site.keepDays = c.Reports.keepDays()
	}
	if c.Rollout == "" {
		return nil
	}
	if s.book == nil {
		opening, cancel := context.WithTimeout(ctx, edge.StorageTimeout)
		defer cancel()
		if s.secret, err = openCSPSecret(opening, edge.StorageOf(ctx)); err != nil {
			return err
		}
		if s.book, err = edge.FromStorage(ctx, s.app.Held(), rolloutBooks, "rollout", rollout.Open); err != nil {
			return fmt.Errorf("opening the rollout: %w", err)
		}
	}
	site.book = s.book
	key, err := masking.DeriveKey(s.secret, "csp-rollout/"+c.Site)
	if err != nil {
		return err
	}
	site.groups, err = rollout.NewGroups(key)
	return err
}

// share is the one that holds now.
func (s *cspSite) share() rollout.Share { return s.book.Share(s.name, s.configured) }

// collecting returns the sites that collect reports, by name.
func (s *cspSites) collecting() []*cspSite {
	return s.with(func(site *cspSite) bool { return site.collector != nil })
}

// rollouts returns the sites that roll a policy out, by name.
func (s *cspSites) rollouts() []*cspSite {
	return s.with(func(site *cspSite) bool { return site.book != nil })
}

func (s *cspSites) with(has func(*cspSite) bool) []*cspSite {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sites []*cspSite
	for _, name := range slices.Sorted(maps.Keys(s.sites)) {
		if site := s.sites[name]; has(site) {
			sites = append(sites, site)
		}
	}
	return sites
}

// named finds one of the sites that do something by an option. Its name may be left out where there is only one.
func named(name string, sites []*cspSite, does, option string) (*cspSite, error) {
	var names []string
	for _, site := range sites {
		if site.name == name || name == "" && len(sites) == 1 {
			return site, nil
		}
		names = append(names, site.name)
	}
	err := fmt.Errorf("no site %q %s, there is: %s", name, does, strings.Join(names, ", "))
	switch {
	case len(sites) == 0:
		err = fmt.Errorf("no site %s: add `%s` to its csp directive", does, option)
	case name == "":
		err = fmt.Errorf("say which site: %s", strings.Join(names, ", "))
	}
	return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
}

// InUse has reports kept as the config says that is in use now, and keeps the steps that it is.
func (s *cspSites) InUse() {
	for _, site := range s.sites {
		if site.collector != nil {
			site.collector.SetKeep(site.keepDays)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), edge.StorageTimeout)
	defer cancel()
	for _, site := range s.rollouts() {
		if err := site.book.Note(ctx, site.name, site.configured); err != nil {
			s.app.Logger().Error("the configured rollout holds, but its step can't be kept", zap.String("site", site.name), zap.Error(err))
		}
	}
}

const cspSecretKey = "wikiveil/csp_secret.json"

// openCSPSecret returns the secret of rollouts. It is not an epoch's: who is in a rollout outlives those. With a new one all clients draw anew whether a rollout is for them.
func openCSPSecret(ctx context.Context, storage shareddoc.Storage) ([]byte, error) {
	secret, err := shareddoc.Secret(ctx, storage, cspSecretKey)
	if err != nil {
		return nil, fmt.Errorf("the secret of rollouts: %w", err)
	}
	return secret, nil
}

// Interface guards
var (
	_ edge.Follower = (*rollout.Book)(nil)
)
