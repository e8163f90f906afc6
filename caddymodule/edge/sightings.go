package edge

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/internal/redisclient"
	"github.com/wikiveil/wikiveil/lookup/geo"
	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// SightingsConfig makes the edge remember which clients were seen, so that authorised
// people can look masks up. A request that can publish (any but GET, HEAD and OPTIONS) then goes on
// only when its client's record is stored, and is refused with 503 otherwise.
type SightingsConfig struct {
	// Redis is where several nodes keep their records together. Default: files in the
	// directory `sightings` of the app's data_dir.
	Redis *RedisConfig `json:"redis,omitempty"`

	// Retention is how long a record is kept, at least a day. Default: 90 days.
	Retention caddy.Duration `json:"retention,omitempty"`

	// V6SiteLimit bounds how many records the clients of one IPv6 /48 make a day, and V6ProviderLimit those of
	// one /32. Reading makes half of them at most; who publishes beyond that is refused. Default: 16384 and 131072.
	V6SiteLimit     int `json:"v6_site_limit,omitempty"`
	V6ProviderLimit int `json:"v6_provider_limit,omitempty"`

	// GeoIP are databases that tell of organisations and places. Default: none is known.
	GeoIP *GeoIPConfig `json:"geoip,omitempty"`

	// Seal says who can turn a mask back into an address. Default: nobody; no address is kept.
	Seal *SealConfig `json:"seal,omitempty"`
}

// RedisConfig says where Redis or Valkey (6.0 or later) is, and what it promises.
type RedisConfig struct {
	// URLs are one server's: redis://user:password@host:port/db, rediss://… with TLS, or unix:///path; or those of
	// Sentinels or of nodes of a Cluster. A placeholder such as {env.REDIS_URL} keeps a password out of the config,
	// and may give several with white space between.
	URLs []string `json:"urls"`

	// Master is the name by which the Sentinels at URLs know the server; user, password and database of the URLs are the server's.
	Master string `json:"master,omitempty"`

	// SentinelUsername and SentinelPassword are for the Sentinels themselves. Default: they ask for none.
	SentinelUsername string `json:"sentinel_username,omitempty"`
	SentinelPassword string `json:"sentinel_password,omitempty"`

	// CA is a file (PEM) of the authorities that sign the certificates of rediss:// servers. Default: the system's.
	CA string `json:"ca,omitempty"`

	// Certificate and Key are files (PEM) by which the edge shows who it is. They are read for each connection.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`

	// Cluster says that URLs are those of nodes of a Redis Cluster.
	Cluster bool `json:"cluster,omitempty"`

	// Prefix is what all keys start with. Default: wikiveil:{sightings}:
	Prefix string `json:"prefix,omitempty"`

	// Replicas is how many replicas must have a write before it counts, instead of an append-only
	// file that is synced always. With Sentinels or a Cluster either this or Trust is needed.
	Replicas int `json:"replicas,omitempty"`

	// Trust takes the operator's word that Redis keeps what it acknowledges, for servers
	// that don't tell their configuration.
	Trust bool `json:"trust,omitempty"`

	// Timeout bounds each exchange. Default: 2s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
}

// GeoIPConfig are paths of databases in MaxMind's format. A file that changes is read anew;
// a broken one leaves the last good one in use.
type GeoIPConfig struct {
	// ASN is an ASN or ISP database: it gives the organisation and the allocation.
	ASN string `json:"asn,omitempty"`
	// City is a City, Enterprise or Country database.
	City string `json:"city,omitempty"`
	// Anonymous is an Anonymous-IP database: it gives networks named tor, vpn, proxy,
	// residential-proxy, hosting and anonymous.
	Anonymous string `json:"anonymous,omitempty"`
}

// SealConfig says who can open the sealed addresses.
type SealConfig struct {
	// Mode is "any" (each recipient alone), "all" (the recipients only together) or "local" (the edge itself).
	Mode string `json:"mode"`
	// Recipients are public keys that `wikiveil keys recipient new` makes. A placeholder may
	// give several, one a line.
	Recipients []string `json:"recipients,omitempty"`
}

// validate checks what can be checked without files, the environment and Redis.
func (c *SightingsConfig) validate(adapting bool) error {
	if c == nil {
		return nil
	}
	if r := time.Duration(c.Retention); r != 0 && r < 24*time.Hour {
		return fmt.Errorf("sightings: retention %v is less than a day", r)
	}
	if err := c.limits().Validate(); err != nil {
		return fmt.Errorf("sightings: %w", err)
	}
	if c.Redis != nil {
		if err := c.Redis.validate(adapting); err != nil {
			return err
		}
	}
	if c.Seal != nil {
		if _, err := c.Seal.sealer(); err != nil && !(adapting && errors.Is(err, errNoRecipients)) {
			return err
		}
	}
	return nil
}

func (c *RedisConfig) validate(adapting bool) error {
	config := c.resolve()
	if adapting && len(config.URLs) == 0 && len(c.URLs) > 0 {
		return nil // all stand in the environment or in files
	}
	if adapting {
		config.CA, config.Certificate, config.Key = "", "", "" // they may be another machine's
	} else if c.CA != "" && config.CA == "" {
		return fmt.Errorf("sightings: redis: ca %s is empty: set it, or leave ca out to go by the system's authorities", c.CA)
	}
	if err := config.Validate(); err != nil {
		return fmt.Errorf("sightings: %w", err)
	}
	return nil
}

var errNoRecipients = errors.New("there are no recipients in")

// sealer makes the sealer, reading recipients out of files and the environment too.
func (c *SealConfig) sealer() (*seal.Sealer, error) {
	mode, err := seal.ParseMode(c.Mode)
	if err != nil {
		return nil, fmt.Errorf("sightings: seal %q is none of any, all and local", c.Mode)
	}
	if mode == seal.Local {
		if len(c.Recipients) > 0 {
			return nil, errors.New("sightings: seal local takes no recipients: the edge itself opens the boxes")
		}
		return seal.NewLocal(), nil
	}
	if len(c.Recipients) == 0 {
		return nil, fmt.Errorf("sightings: seal %s needs recipients; `wikiveil keys recipient new` makes one", c.Mode)
	}
	var recipients []*seal.Recipient
	for _, text := range c.Recipients {
		value, err := Expand(text)
		if err != nil {
			return nil, fmt.Errorf("sightings: seal: %w", err)
		}
		if strings.TrimSpace(value) == "" {
			return nil, fmt.Errorf("sightings: seal: %w %s", errNoRecipients, text)
		}
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			r, err := seal.ParseRecipient(line)
			if err != nil {
				return nil, fmt.Errorf("sightings: seal: %w", err)
			}
			recipients = append(recipients, r)
		}
	}
	sealer, err := seal.NewSealer(mode, recipients...)
	if err != nil {
		return nil, fmt.Errorf("sightings: %w", err)
	}
	return sealer, nil
}

func (c *GeoIPConfig) open() (*geo.DB, error) {
	if c == nil {
		return nil, nil
	}
	db, err := geo.Open(geo.Config{ASN: c.ASN, City: c.City, Anonymous: c.Anonymous, Log: Slog()})
	if err != nil {
		return nil, fmt.Errorf("sightings: %w", err)
	}
	return db, nil
}

// resolve fills in placeholders.
func (c *RedisConfig) resolve() redisclient.Config {
	repl := caddy.NewReplacer()
	return redisclient.Config{
		URLs: strings.Fields(repl.ReplaceAll(strings.Join(c.URLs, "\n"), "")), Master: c.Master, Cluster: c.Cluster,
		SentinelUsername: repl.ReplaceAll(c.SentinelUsername, ""), SentinelPassword: repl.ReplaceAll(c.SentinelPassword, ""),
		CA: repl.ReplaceAll(c.CA, ""), Certificate: repl.ReplaceAll(c.Certificate, ""), Key: repl.ReplaceAll(c.Key, ""),
		Replicas: c.Replicas, Trust: c.Trust, Timeout: time.Duration(c.Timeout), Log: Slog(),
	}
}

// hash tells places in Redis apart in the keys of pools, where no password may stand.
func (c *RedisConfig) hash(more ...any) string {
	config := c.resolve()
	config.Log = nil
	return fmt.Sprintf("redis %x", sha256.Sum256(fmt.Appendf(nil, "%+q", append([]any{fmt.Sprintf("%+v", config)}, more...))))
}

func (c *SightingsConfig) limits() sightings.Limits {
	return sightings.Limits{V6Site: c.V6SiteLimit, V6Provider: c.V6ProviderLimit}
}

func (c *SightingsConfig) retention() time.Duration {
	return cmp.Or(time.Duration(c.Retention), sightings.DefaultRetention)
}

// FilesDir is where the app keeps its files.
func (a *App) FilesDir() string {
	if a.DataDir != "" {
		return caddy.NewReplacer().ReplaceAll(a.DataDir, "")
	}
	return filepath.Join(caddy.AppDataDir(), "wikiveil")
}
