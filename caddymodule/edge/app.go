package edge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/metrics"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/networkfeed"
	"github.com/wikiveil/wikiveil/masking/salts"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App is what all sites of a config share: the key ring, the named networks and the
// noticeboard of tools. Without configuration it makes a key ring of its own in Caddy's
// storage, so nodes that share the storage share it.
type App struct {
	// Secrets are the epochs' secrets in hex, at least 32 bytes each, the current one first, then
	// older ones whose masks still count. Placeholders such as {env.WIKIVEIL_SECRET} and
	// {file./run/secrets/wikiveil} keep them out of the config. Default: a key ring in Caddy's storage.
	Secrets []string `json:"secrets,omitempty"`

	// Rotate is how often a new epoch starts. Default: only by command.
	Rotate caddy.Duration `json:"rotate,omitempty"`

	// Keep is how many epochs before the one in use still count, so that blocks made
	// under them hold; the secrets of older ones are destroyed after DestroyAfter. Of edges that share
	// the storage the longest counts. Default: 1.
	Keep *int `json:"keep,omitempty"`

	// DestroyAfter is how long an epoch that is no longer kept can be taken back before its secret is
	// destroyed, at least a day. Default: a week.
	DestroyAfter caddy.Duration `json:"destroy_after,omitempty"`

	// Site is the label of sites that have none of their own. Default: the empty label.
	Site string `json:"site,omitempty"`

	// V6Prefix is how many leading bits of an IPv6 client address make its mask:
	// 48, 56, 64 or 128. Default: 64.
	V6Prefix int `json:"v6_prefix,omitempty"`

	// V4Ranges are the lengths of the IPv4 ranges that clients get network masks for. Default: 16 and 24.
	V4Ranges []int `json:"v4_ranges,omitempty"`

	// V6Ranges are the lengths of the IPv6 ranges that clients get network masks for. Default: 32 and 48.
	V6Ranges []int `json:"v6_ranges,omitempty"`

	// Salt gives each client's mask a random salt, which is destroyed in the end. Default: masks have none, and are the same for an epoch.
	Salt *SaltConfig `json:"salt,omitempty"`

	// Networks are networks that have one mask wherever their clients are, such as the exits of Tor.
	Networks []NetworkConfig `json:"networks,omitempty"`

	// Tools are the third-party resources that readers may reach.
	Tools []*noticeboard.Tool `json:"tools,omitempty"`

	// ToolsFile is a file of more tools: a toolinfo.json of Toolhub in which an entry's member
	// "wikiveil" declares how it is used. A change takes effect within seconds, without a reload;
	// while the file is broken or missing, what it said last goes on to hold. Default: none.
	ToolsFile string `json:"tools_file,omitempty"`

	// ToolsCache is about the shared cache of the tools' responses. Default: one in memory.
	ToolsCache *ToolsCacheConfig `json:"tools_cache,omitempty"`

	// MirrorDir is the directory of the files of tools that are mirrors. Default: `mirrors` in DataDir.
	MirrorDir string `json:"mirror_dir,omitempty"`

	// DataDir is the directory of the app's own files: records of sightings, the audit log and
	// quotas. Default: `wikiveil` in Caddy's data directory.
	DataDir string `json:"data_dir,omitempty"`

	// Sightings makes the edge remember which clients were seen, so that masks can be looked
	// up. Default: nothing is remembered.
	Sightings *SightingsConfig `json:"sightings,omitempty"`

	// Audit is about the log of who looked masks up or revealed them.
	Audit *AuditConfig `json:"audit,omitempty"`

	// Quota bounds how many masks each user may look up and reveal a day.
	Quota *QuotaConfig `json:"quota,omitempty"`

	// Language is the code of the language of pages and messages for readers whose browser asks for none that there is. Default: en.
	Language string `json:"language,omitempty"`

	ctx      caddy.Context
	logger   *zap.Logger
	starting *starting
	held     pool.Held
	// heldByLookups is held until the last look-up under way has ended.
	heldByLookups pool.Held
	parts         map[*partKind]any
	metrics       *metrics.Counters
	servers       *caddyhttp.App // nil: not started, or without any
	probes        checkup.Probes

	clock        *Clock
	keys         *KeyRing
	networks     []networkfeed.Network
	named        *networkfeed.Set
	recorder     *recorder // nil: nothing is remembered
	board        *Noticeboard
	confirming   *Confirmations
	recordChange func(context.Context, audit.Entry) error // nil: there is no audit log

	serversOnce sync.Once // see CheckServers
	serversErr  error
	found       configcheck.Found
}

// SaltConfig is about the salts of masks.
type SaltConfig struct {
	// Idle is how long after a client's last edit its salt is destroyed, so that its next mask is unrelated: from a day to a year.
	Idle caddy.Duration `json:"idle"`
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "wikiveil", New: func() caddy.Module { return new(App) }}
}

// validate checks what can be checked without the storage, and while adapting without
// files and the environment, too.
func (a *App) validate(adapting bool) error {
	if len(a.Secrets) > 0 && (a.Rotate != 0 || a.Keep != nil || a.DestroyAfter != 0) {
		return errors.New("rotate, keep and destroy_after are for the key ring in storage; with secret, give the older secrets after the current one")
	}
	if a.Rotate != 0 && time.Duration(a.Rotate) < time.Hour {
		return fmt.Errorf("rotate %v is shorter than an hour: blocks would not last", time.Duration(a.Rotate))
	}
	if a.Keep != nil && (*a.Keep < 0 || *a.Keep > 16) {
		return fmt.Errorf("keep %d is not from 0 to 16", *a.Keep)
	}
	if d := time.Duration(a.DestroyAfter); d != 0 && (d < 24*time.Hour || d > 366*24*time.Hour) {
		return fmt.Errorf("destroy_after %v is not from a day to a year; `wikiveil keys remove` destroys a secret at once", d)
	}
	if s := a.Salt; s != nil && (time.Duration(s.Idle) < salts.MinIdle || time.Duration(s.Idle) > salts.MaxIdle) {
		return fmt.Errorf("salt idle %v is not from a day to a year", time.Duration(s.Idle))
	}
	if err := a.readNetworks(adapting); err != nil {
		return err
	}
	if err := errors.Join(a.ToolsCache.validate(), a.Sightings.validate(adapting), a.Audit.validate(), a.Quota.validate()); err != nil {
		return err
	}
	if _, err := i18n.Parse(a.Language); err != nil {
		return err
	}
	return a.SiteConfig().Validate()
}

// readNetworks reads the ranges of all networks; when adapting, of those that have come since it was last called.
func (a *App) readNetworks(adapting bool) error {
	if !adapting {
		a.networks = nil
	}
	var names []string
	for i, n := range a.Networks {
		names = append(names, n.Name)
		if i < len(a.networks) {
			continue
		}
		network, err := n.resolve(adapting)
		if err != nil {
			return err
		}
		a.networks = append(a.networks, network)
	}
	_, err := masking.BuildNetworks(names...)
	return err
}

// SiteConfig is how masks are made for sites that don't say otherwise.
func (a *App) SiteConfig() masking.SiteConfig {
	c := masking.SiteConfig{
		Label: a.Site, V6Prefix: a.V6Prefix,
		V4Ranges: a.V4Ranges, V6Ranges: a.V6Ranges, Networks: a.NamedNetworks(),
	}
	if c.V6Prefix == 0 {
		c.V6Prefix = masking.DefaultV6Prefix
	}
	if c.V4Ranges == nil {
		c.V4Ranges = masking.DefaultV4Ranges
	}
	if c.V6Ranges == nil {
		c.V6Ranges = masking.DefaultV6Ranges
	}
	if a.Sightings != nil && a.Sightings.GeoIP != nil {
		c.Lookup = func(addr netip.Addr) masking.Surroundings { return a.recorder.lookup(addr) } // it is opened at the start
	}
	return c
}

func (a *App) keep() int {
	if a.Keep == nil {
		return 1
	}
	return *a.Keep
}

// AppOf returns the app of ctx's config; without a `wikiveil` block it is made with defaults.
func AppOf(ctx caddy.Context) (*App, error) {
	app, err := ctx.App("wikiveil")
	if err != nil {
		return nil, fmt.Errorf("loading the wikiveil app: %w", err)
	}
	return app.(*App), nil
}

// What the app has for its parts and for the handlers, from its Provision on.

// Logger returns the log of the app.
func (a *App) Logger() *zap.Logger { return a.logger }

// Held returns what is released with the config.
func (a *App) Held() *pool.Held { return &a.held }

// HeldByLookups returns what is released once the last look-up under way has ended, too: the records, the keys and the clock.
func (a *App) HeldByLookups() *pool.Held { return &a.heldByLookups }

// Metrics returns the counters.
func (a *App) Metrics() *metrics.Counters { return a.metrics }

// Clock returns the clock that nothing is deleted without.
func (a *App) Clock() *Clock { return a.clock }

// Keys returns the key ring.
func (a *App) Keys() *KeyRing { return a.keys }

// Recorder returns what records sightings; nil: nothing is remembered, or the app hasn't started.
func (a *App) Recorder() *recorder { return a.recorder }

// Noticeboard returns the noticeboard.
func (a *App) Noticeboard() *Noticeboard { return a.board }

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
