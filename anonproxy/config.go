package anonproxy

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Defaults of [Config].
const (
	defaultMaxSize       = 32 << 20 // bytes
	defaultTimeout       = time.Minute
	defaultHeaderTimeout = 15 * time.Second
	defaultIdleTimeout   = 20 * time.Second
)

// Config says how a [Proxy] works. The zero value is ready to use.
type Config struct {
	// Prefix is the path under which tools are reached; it starts and ends with
	// a slash. Default: noticeboard.DefaultPrefix.
	Prefix string

	// Contact is put into the User-Agent, so that a tool's owner can reach the
	// wiki's: an e-mail or web address. Default: none.
	Contact string

	// MaxSize bounds a response body in bytes where the tool sets no bound.
	// Default: 32 MiB.
	MaxSize int64

	// MaxRequestSize bounds the body of a POST in bytes where the tool sets no bound.
	// Default: 64 KiB.
	MaxRequestSize int64

	// Timeout bounds a request, redirects and body included, where the tool sets
	// no bound. Default: a minute.
	Timeout time.Duration

	// HeaderTimeout bounds the wait for each response header, connecting
	// included. Default: 15 s.
	HeaderTimeout time.Duration

	// IdleTimeout bounds the wait for each further piece of a body.
	// Default: 20 s.
	IdleTimeout time.Duration

	// RequireFetchMetadata refuses requests without Sec-Fetch headers over plain
	// HTTP too, as over TLS. Set it where TLS ends before the proxy.
	RequireFetchMetadata bool

	// Transport gives the transport for a tool, to keep connections and limits over a change of
	// configuration, and what is to be called when the proxy no longer uses it. Default: the proxy makes its own.
	Transport func(*noticeboard.Tool) (*Transport, func())

	// Resolver looks the names of tools up, for the transports that the proxy makes
	// itself. Addresses that aren't allowed are not connected to whatever it says. Default: the system's.
	Resolver *net.Resolver

	// Refuse returns a status other than 0 and a plain reason if a tool must not be asked
	// for a path now. It is called before each request, also for names that the board
	// doesn't have, and for each redirect to the tool's own origin, so that none leads
	// round it. The path is decoded; it is empty where a request has none. Default: what
	// the board's declarations say.
	Refuse func(tool, path string) (status int, reason string)
	// Cache keeps answers for all readers and makes equal requests one; it stays
	// the caller's to close, and several proxies may share it. Readers get ETags of
	// its own, and ranges of what it holds. It goes on holding what came by redirects
	// from paths that Refuse has begun to refuse: purge it then.
	// Default: none, each request asks the tool.
	Cache *cache.Cache

	// Mirrors keeps the files of mirrors, for the caller to close; several proxies may
	// share it. See [Proxy.FillMirrors]. Default: one in memory.
	Mirrors *mirror.Store

	// ObserveMirror is told of each attempt to fetch a mirrored file. Default: nobody is.
	ObserveMirror func(tool, outcome string)

	// Reader tells who asks, for the leak guard and for the limits of each client.
	// Default: nobody is known.
	Reader func(*http.Request) Reader

	// Limit bounds how often a tool is asked for all clients together, and ClientLimit how
	// often one client may make the proxy ask it, where the tool sets no bound. Answers from
	// the cache don't count, nor do those fetched for another. A count may come at once.
	// Clients are told apart by Reader. Default: no bounds.
	Limit, ClientLimit noticeboard.Rate

	// Concurrent bounds the requests to one tool at one time; one client may have a
	// quarter of them. As many again wait for some seconds. Default: 256.
	Concurrent int

	// Pseudonym gives the reader's name toward a tool that declares one, such as
	// [Pseudonym] makes: 16 to 64 letters, digits, - and _. Where it gives none the
	// tool isn't asked. Default: it gives none.
	Pseudonym func(tool *noticeboard.Tool, reader Reader, now time.Time) string

	// Observe is told of each request to a declared tool. Default: nobody is.
	Observe func(tool, outcome string)

	// ObserveRefresh is told of each request that a [refresh.Refresher] makes for a declared
	// tool. Default: nobody is.
	ObserveRefresh func(tool, outcome string)

	// Logger gets errors of tools and warnings about the configuration, nothing
	// about readers. Default: none.
	Logger *slog.Logger
}

var (
	prefixForm  = regexp.MustCompile(`^/([A-Za-z0-9._~-]*[A-Za-z0-9_~-]+/)+$`)
	contactForm = regexp.MustCompile(`^[A-Za-z0-9@:/.,?&=%+_~ -]{1,200}$`)
)

// withDefaults checks a config and fills it in.
func (c Config) withDefaults() (Config, error) {
	c.Prefix = cmp.Or(c.Prefix, noticeboard.DefaultPrefix)
	c.MaxSize = cmp.Or(c.MaxSize, defaultMaxSize)
	c.MaxRequestSize = cmp.Or(c.MaxRequestSize, defaultMaxRequestSize)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, defaultHeaderTimeout)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, defaultIdleTimeout)
	c.Concurrent = cmp.Or(c.Concurrent, defaultConcurrent)
	if c.Mirrors == nil {
		c.Mirrors = mirror.New(mirror.Config{})
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case !prefixForm.MatchString(c.Prefix):
		return c, fmt.Errorf("prefix %q must be a path such as /.tools/ that starts and ends with a slash", c.Prefix)
	case c.Contact != "" && !contactForm.MatchString(c.Contact):
		return c, fmt.Errorf("contact %q must be an e-mail or web address", c.Contact)
	case c.MaxSize < 0:
		return c, errors.New("the size limit must not be negative")
	case c.MaxRequestSize < 0 || c.MaxRequestSize > maxRequestSize:
		return c, fmt.Errorf("the size limit of requests must be at most %d bytes, and not negative", maxRequestSize)
	case c.Timeout < 0 || c.HeaderTimeout < 0 || c.IdleTimeout < 0:
		return c, errors.New("timeouts must not be negative")
	case c.Concurrent < 0:
		return c, errors.New("the bound of concurrent requests must not be negative")
	case !isRate(c.Limit) || !isRate(c.ClientLimit):
		return c, errors.New("a limit isn't a rate such as 600/1m")
	}
	return c, nil
}

// Validate tells what is wrong with the config, if anything.
func (c Config) Validate() error {
	_, err := c.withDefaults()
	return err
}
