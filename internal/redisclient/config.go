// Package redisclient is the edge's one way to Redis or Valkey: a single server, one that Sentinels watch, or a
// Cluster. All who name the same servers share a client and its connections.
//
// A watcher asks the server every second. While it is away every command fails at once, so that the many users of
// one Redis don't each wait for it in turn; the log is told once, and once when it is back.
package redisclient

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// DefaultTimeout bounds each exchange with a server unless it is configured.
const DefaultTimeout = 2 * time.Second

// Config says where Redis is and what it promises. URLs are needed.
type Config struct {
	// URLs are one server's: redis://user:password@host:port/db, rediss://… with TLS, or unix:///path; or those of
	// some Sentinels or of some nodes of a Cluster, alike but for host and port.
	URLs []string
	// Master is the name by which Sentinels know the server. The URLs are then those of Sentinels, their user,
	// password and database those of the server.
	Master string
	// SentinelUsername and SentinelPassword are for the Sentinels themselves.
	SentinelUsername, SentinelPassword string
	// CA is a file (PEM) of the authorities that sign the certificates of rediss:// servers; empty means the system's.
	CA string
	// Certificate and Key are files (PEM) by which this client shows who it is, to servers that ask for it. They are read for each
	// connection, so that they can be renewed.
	Certificate, Key string
	// Cluster says that the URLs are those of nodes of a Cluster.
	Cluster bool
	// Replicas is how many replicas must have a write before it counts, instead of a synced append-only file.
	Replicas int
	// Trust says that the server keeps what it acknowledges, whatever its configuration looks like.
	Trust bool
	// Timeout bounds each exchange with a server; 0 means [DefaultTimeout].
	Timeout time.Duration
	// Log is told when Redis is away and when it is back; nil means nobody is.
	Log *slog.Logger
}

// errURL names no part of the URL, which can hold a password.
var errURL = errors.New("redis: a URL is not redis://host:port, rediss://host:port or unix:///path")

// Validate checks what can be checked without the server.
func (c Config) Validate() error {
	_, err := c.options()
	return err
}

// key tells configs apart. It is a hash, since a URL can hold a password.
func (c Config) key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+q %v %v %v %v", append([]string{c.Master, c.SentinelUsername, c.SentinelPassword, c.CA, c.Certificate, c.Key}, c.URLs...),
		c.Cluster, c.Replicas, c.Trust, c.Timeout))
	return string(sum[:])
}

// options merges the URLs. The options of a single one's query, such as pool_size, stay.
func (c Config) options() (*redis.Options, error) {
	if len(c.URLs) == 0 {
		return nil, errURL
	}
	if c.Replicas < 0 || c.Timeout < 0 {
		return nil, errors.New("redis: a number is negative")
	}
	if c.Replicas > 0 && c.Trust {
		return nil, errors.New("redis: replicas or trust, not both")
	}
	if err := c.validateMode(); err != nil {
		return nil, err
	}
	var first *redis.Options
	for _, text := range c.URLs {
		o, err := redis.ParseURL(text)
		if err != nil {
			return nil, errURL
		}
		if first == nil {
			first = o
			continue
		}
		if o.Network != first.Network || o.Username != first.Username || o.Password != first.Password || o.DB != first.DB ||
			(o.TLSConfig == nil) != (first.TLSConfig == nil) {
			return nil, errors.New("redis: the URLs differ in more than host and port")
		}
	}
	if c.several() {
		if first.Network != "tcp" || strings.Contains(strings.Join(c.URLs, ""), "?") {
			return nil, errors.New("redis: the URLs of Sentinels and Clusters are redis:// or rediss:// without options behind a question mark")
		}
		if c.Cluster && first.DB != 0 {
			return nil, errors.New("redis: a Cluster has no databases but 0")
		}
	}
	return first, c.secure(first)
}

// secure adds what the config says of TLS.
func (c Config) secure(o *redis.Options) error {
	if o.TLSConfig == nil {
		if c.CA+c.Certificate+c.Key != "" {
			return errors.New("redis: certificates are for URLs that begin with rediss://")
		}
		return nil
	}
	if c.several() {
		o.TLSConfig.ServerName = "" // each server's certificate is for its own name
	}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return fmt.Errorf("redis: ca: %w", err)
		}
		o.TLSConfig.RootCAs = x509.NewCertPool()
		if !o.TLSConfig.RootCAs.AppendCertsFromPEM(text) {
			return fmt.Errorf("redis: ca: there is no certificate (PEM) in %s", c.CA)
		}
	}
	if c.Certificate+c.Key == "" {
		return nil
	}
	if _, err := c.pair(nil); err != nil {
		return err
	}
	o.TLSConfig.GetClientCertificate = c.pair
	return nil
}

func (c Config) pair(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("redis: certificate: %w", err)
	}
	return &pair, nil
}

func (c Config) validateMode() error {
	switch {
	case c.Cluster && c.Master != "":
		return errors.New("redis: either Sentinels (master) or a Cluster (cluster), not both")
	case !c.several() && len(c.URLs) > 1:
		return errors.New("redis: several URLs are those of Sentinels (then name the master) or of a Cluster (then say cluster)")
	case c.Master == "" && c.SentinelUsername+c.SentinelPassword != "":
		return errors.New("redis: a login for Sentinels without a master")
	case c.several() && c.Replicas == 0 && !c.Trust:
		return errors.New("redis: Sentinels and Clusters put a replica in the place of a server that fails, without what it had not copied yet:" +
			" say how many replicas must have a write before it counts (replicas 1), or trust that nothing is lost (trust)")
	}
	return nil
}

func (c Config) several() bool { return c.Cluster || c.Master != "" }

// client makes the client. It connects when it is used.
func (c Config) client() (redis.UniversalClient, error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	timeout := cmp.Or(c.Timeout, DefaultTimeout)
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout, timeout
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1 // whoever waits for a write should know soon, and can ask again
	o.DialerRetries = 1
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.OnConnect = c.greet
	if !c.several() {
		return redis.NewClient(o), nil
	}
	universal := &redis.UniversalOptions{
		MasterName: c.Master, SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword,
		Username: o.Username, Password: o.Password, DB: o.DB,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true,
		MaintNotificationsConfig: o.MaintNotificationsConfig, OnConnect: o.OnConnect, TLSConfig: o.TLSConfig,
	}
	for _, text := range c.URLs {
		one, _ := redis.ParseURL(text) // as above
		universal.Addrs = append(universal.Addrs, one.Addr)
	}
	if c.Cluster {
		return redis.NewClusterClient(universal.Cluster()), nil
	}
	return redis.NewFailoverClient(universal.Failover()), nil
}

// Tagged is a prefix of keys that lie on one node of a Cluster together: it has a hash tag.
func Tagged(prefix string) string {
	if _, behind, found := strings.Cut(prefix, "{"); found && strings.Index(behind, "}") > 0 {
		return prefix
	}
	return "{" + prefix + "}"
}
