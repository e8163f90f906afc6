package tools

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func init() {
	caddy.RegisterModule(new(AnonProxy))
}

// AnonProxy lets gadgets reach the declared tools through the wiki's own origin:
// `/.tools/NAME/path` gets `path` from the tool NAME. The tool sees a request
// that is the same for every reader: no address, cookie, account, browser,
// language or referrer. `/.tools/` lists the tools and what they get, as a page
// and as JSON. Other requests go on to the next handler.
//
// Responses can't run: their type must fit what the browser asked for (its
// Sec-Fetch-Dest header), and scripts, workers, frames and navigations are
// refused. The tool is always asked for the whole file: ranges are cut from it. Streams
// (EventSource, WebSocket) are opened to tools that declare them.
type AnonProxy struct {
	// The path under which the tools are; it starts and ends with a slash. Default: `/.tools/`.
	Path string `json:"path,omitempty"`

	// An e-mail or web address in the User-Agent that tools see, so that their
	// owners can reach the wiki's. Default: none.
	UserAgentContact string `json:"user_agent_contact,omitempty"`

	// The largest response in bytes, where the tool sets no bound. Default: 32 MiB.
	MaxSize int64 `json:"max_size,omitempty"`

	// The largest body of a POST in bytes, where the tool sets no bound. Default: 64 KiB.
	MaxRequestSize int64 `json:"max_request_size,omitempty"`

	// Cookies, by name or by a pattern such as `skin_*`, whose values requests to tools may hold. Requests that hold
	// values of other cookies are refused, save those that say nothing of a reader, such as short ones. Cookies of
	// sessions and user names can't be left out. Default: none.
	LeakGuardIgnore []string `json:"leak_guard_ignore,omitempty"`

	// How long a whole request may take, where the tool sets no bound. Default: 1m.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How long to wait for the header of a tool's response, connecting included. Default: 15s.
	HeaderTimeout caddy.Duration `json:"header_timeout,omitempty"`

	// How long to wait for each further piece of a response. Default: 20s.
	IdleTimeout caddy.Duration `json:"idle_timeout,omitempty"`

	// Refuse requests without Sec-Fetch headers over plain HTTP too, as over TLS. Set it
	// where TLS ends before the edge. Default: false, as browsers send them over
	// plain HTTP to localhost only.
	RequireFetchMetadata bool `json:"require_fetch_metadata,omitempty"`

	// How often one client may make the edge ask one tool, where the tool sets no bound, such as
	// `600/1m`. The count may come at once. Responses that the edge has already, and those that it
	// is fetching for another reader, don't count. Without `client_mask` clients can't be told
	// apart, and all are one. Default: `600/1m`.
	ClientLimit noticeboard.Rate `json:"client_limit,omitzero"`

	// How often the edge asks one tool for all clients together, where the tool sets no bound. Default: `6000/1m`.
	Limit noticeboard.Rate `json:"limit,omitzero"`

	// How many requests one tool gets at one time; one client may have a quarter of them. As many
	// again wait for some seconds. Default: 256.
	Concurrent int `json:"concurrent,omitempty"`

	// Where readers withdraw their consent to tools, a path or an https address; the
	// noticeboard links to it. Default: /.privacy/exemptions where the site's csp has `consent`, else none.
	Withdraw string `json:"withdraw,omitempty"`

	// NoNotice takes the script away that tells readers of a wiki page where a tool was stopped, /.tools/notice.js. Default: false.
	NoNotice bool `json:"no_notice,omitempty"`

	// How the edge finds out and publishes what tools get. Default: each hour, and tools that
	// could tell readers apart are out of reach.
	Canary *CanaryConfig `json:"canary,omitempty"`

	app      *edge.App
	tools    *tools
	canaries *canaryBook // nil: they are off
	page     *noticeboard.Page
	told     anonproxy.Config // what a proxy is told
	proxy    *toolProxy       // nil until it is made
	consents bool             // the site's csp lets readers consent
	renewing sync.Mutex
	refresh  siteRefresh
}

// CaddyModule returns the Caddy module information.
func (*AnonProxy) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.anonproxy", New: func() caddy.Module { return new(AnonProxy) }}
}

// Provision makes the page and the proxy for the app's tools.
func (h *AnonProxy) Provision(ctx caddy.Context) error {
	h.told = h.config()
	if err := h.validate(); err != nil {
		return err
	}
	app, err := edge.AppOf(ctx)
	if err != nil {
		return err
	}
	h.app, h.tools = app, toolParts.Of(app)
	h.findConsent(ctx)
	h.told.Logger = ctx.Slogger()
	h.told.Refuse = h.refuse
	h.told.Cache = h.tools.cache
	h.told.Reader = toolReader{h.LeakGuardIgnore}.reader
	h.told.Pseudonym = (&pseudonyms{keys: app.Keys()}).of
	h.told.Mirrors = h.tools.mirrors.store
	h.told.ObserveMirror = func(tool, outcome string) { app.Metrics().Mirrors.WithLabelValues(tool, outcome).Inc() }
	h.told.Observe = func(tool, outcome string) { app.Metrics().Tools.WithLabelValues(tool, outcome).Inc() }
	h.told.ObserveRefresh = func(tool, outcome string) { app.Metrics().Refreshes.WithLabelValues(tool, outcome).Inc() }
	h.tools.mirrors.add(h.fillMirrors)
	if !h.Canary.off() {
		h.canaries = h.tools.openCanary(ctx, app, h)
	}
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		server.RegisterOnShutdown(h.endStreams)
	}
	if err := h.open(); err != nil {
		return err
	}
	h.tools.refreshes.add(h)
	return nil
}

// findConsent links to where readers withdraw what the site's csp lets them consent to, and warns of tools that nobody can
// consent to.
func (h *AnonProxy) findConsent(ctx caddy.Context) {
	if h.consents = slices.ContainsFunc(configcheck.Around(ctx, "csp"), hasConsent); h.consents && h.Withdraw == "" {
		h.Withdraw = exempt.ListPath
	}
	app := configcheck.HTTPApp(ctx)
	if app == nil || slices.ContainsFunc(configcheck.Handlers(app, "csp"), hasConsent) {
		return
	}
	for tool := range h.tools.board.Board().All() {
		if tool.Consentable() {
			configcheck.WarnOf(ctx.Logger(), configcheck.NoConsent(tool.Name))
		}
	}
}

func hasConsent(csp json.RawMessage) bool {
	var config struct{ Consent json.RawMessage }
	return json.Unmarshal(csp, &config) == nil && config.Consent != nil
}

// validate checks what can be checked without the app.
func (h *AnonProxy) validate() error {
	return errors.Join(h.config().Validate(), h.pageOptions().Validate(), h.Canary.validate(), validateIgnored(h.LeakGuardIgnore))
}

// open makes what serves.
func (h *AnonProxy) open() (err error) {
	if h.page, err = h.tools.board.Page(h.pageOptions()); err != nil {
		return err
	}
	h.proxy, err = newToolProxy(h.tools.board.Board(), h.told)
	return err
}

func (h *AnonProxy) pageOptions() noticeboard.PageOptions {
	ask := ""
	if h.consents {
		ask = exempt.GoPath + "?tool="
	}
	return noticeboard.PageOptions{Ask: ask, Prefix: cmp.Or(h.Path, noticeboard.DefaultPrefix), Withdraw: h.Withdraw, Transcripts: !h.Canary.off(), Notice: !h.NoNotice}
}

// config is what the library is told; the zero values are its defaults.
func (h *AnonProxy) config() anonproxy.Config {
	return anonproxy.Config{
		Prefix:               h.Path,
		Contact:              h.UserAgentContact,
		MaxSize:              h.MaxSize,
		MaxRequestSize:       h.MaxRequestSize,
		Timeout:              time.Duration(h.Timeout),
		HeaderTimeout:        time.Duration(h.HeaderTimeout),
		IdleTimeout:          time.Duration(h.IdleTimeout),
		RequireFetchMetadata: h.RequireFetchMetadata,
		ClientLimit:          cmp.Or(h.ClientLimit, defaultClientLimit),
		Limit:                cmp.Or(h.Limit, defaultToolLimit),
		Concurrent:           h.Concurrent,
	}
}

// Cleanup lets go of the proxy. The requests that it still serves end with it in place.
func (h *AnonProxy) Cleanup() error {
	if h.proxy == nil {
		return nil
	}
	h.refresh.leave()
	h.proxy.EndStreams()
	return h.proxy.held.Release()
}

// endStreams lets a server that shuts down do so: it waits for its requests, and
// streams don't end by themselves.
func (h *AnonProxy) endStreams() {
	if h.proxy != nil {
		h.proxy.EndStreams()
	}
}

// ServeHTTP responds to what is under the path and passes on the rest.
func (h *AnonProxy) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.serveCanary(w, r) {
		return nil
	}
	if r.URL.Path == noticeboard.ReaderToolsPath {
		return h.serveReaderTools(w, h.app.Localized(r))
	}
	if !h.proxy.Handles(r) {
		return next.ServeHTTP(w, r)
	}
	r = h.app.Localized(r)
	keepPolicies(r)
	if h.page.Handles(r.URL.Path) {
		h.page.ServeHTTP(w, r)
		return nil
	}
	if !h.app.Started(r) {
		return edge.RefusedStarting.Answer(w, r)
	}
	proxy, done, err := h.present()
	if err != nil {
		return err
	}
	defer done()
	proxy.ServeHTTP(w, r)
	return nil
}

// keepPolicies exempts the response from `csp { upstream drop }`: that is about the
// app's policies, and without its own a proxied response could be opened as a page.
func keepPolicies(r *http.Request) { reqstate.Of(r).KeepPolicies = true }

// Interface guards
var (
	_ caddy.Provisioner           = (*AnonProxy)(nil)
	_ caddy.CleanerUpper          = (*AnonProxy)(nil)
	_ caddyhttp.MiddlewareHandler = (*AnonProxy)(nil)
)
