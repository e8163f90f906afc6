package mask

import (
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/defaultlog"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/salts"
)

func init() {
	httpcaddyfile.RegisterDirective("client_mask", defaultlog.Masked(parseClientMask))
	caddy.RegisterModule(new(ClientMask))
}

// ClientMask gives the app behind it a mask in place of each client's address: as the
// peer address, as Caddy's client IP, and in X-Forwarded-For. Headers that could tell
// the address are dropped or rewritten. A request whose client address can't be told is
// refused with 503.
//
// After it, Caddy's own `remote_ip` and `client_ip` matchers see the mask; the matcher
// `original_client_ip` sees the address.
type ClientMask struct {
	// What the app is given. "mask" (the default) puts the mask in the place of the
	// address; "observe" only adds the headers Client-Mask, Client-Network-Masks and Client-Network, for a
	// staged start. The edge's own blocks hold in both.
	Mode maskMode `json:"mode,omitempty"`

	// Where the masks of the networks that the client is in go. "header" (the default)
	// is Client-Network-Masks; "xff" puts them before the mask in X-Forwarded-For too,
	// which MediaWiki with $wgApplyIpBlocksToXff enforces blocks of; "off" is nowhere.
	// The header Client-Network gives the names of the named networks in any case.
	Networks networksMode `json:"networks,omitempty"`

	// The label that keeps this site's masks unrelated to other sites', or shared with those
	// that have the same one. Default: the app's.
	Site *string `json:"site,omitempty"`

	// How many leading bits of an IPv6 client address make its mask: 48, 56, 64 or 128.
	// Default: the app's.
	V6Prefix int `json:"v6_prefix,omitempty"`

	// MaskBy gives browsers masks of their own by a session's cookie. Default: clients have the masks of their addresses.
	MaskBy *MaskBy `json:"mask_by,omitempty"`

	// A file with the page that clients get whom the edge's own block list refuses, to have it
	// in the wiki's language: a Go html/template with .Mask, .Network, .Reason, .Expires and .Nonce (for
	// its style element), .Language (.Language.Code, .Language.Dir). Default: a plain page in the reader's language.
	BlockPage string `json:"block_page,omitempty"`

	// NetworkPages are pages for clients of named networks whose changes the edge or the app refuses: files with a Go html/template
	// that has .Network, .Nonce and .Language. An empty name of a file is the edge's own page, in the reader's language. Default: none.
	NetworkPages map[string]string `json:"network_pages,omitempty"`

	// The code of the language of the site's pages and messages of the edge, for readers whose browser asks for none that there is. Default: the app's.
	Language string `json:"language,omitempty"`

	// The address of the site's onion service, http://NAME.onion, which pages name in the header Onion-Location where they are
	// sent by https. Default: none.
	OnionLocation string `json:"onion_location,omitempty"`

	// RejectIPInput refuses requests that give the app an IP address: the last phase of a wiki's way to masks. Default: they go on.
	RejectIPInput *RejectIPInput `json:"reject_ip_input,omitempty"`

	// Handlers that may run before this one, and so get clients' addresses. Without being named
	// those of Caddy may that hand requests to nobody, and those that block by address, such as crowdsec.
	// Default: no others.
	Before []string `json:"before,omitempty"`

	app      *edge.App
	blocks   *configBlocks
	logger   *zap.Logger
	page     *template.Template
	pages    map[string]*template.Template // of NetworkPages
	language *i18n.Language                // nil: the app's
	config   masking.SiteConfig
	granted  kv.Store // the budgets of sessions; nil: there are none
	salts    *appSalts
	current  atomic.Pointer[siteMasks]
	renewing sync.Mutex

	headers     []string // see clientIPHeaders
	findHeaders sync.Once
}

// siteMasks are a site's masks under the epochs active now.
type siteMasks struct {
	epochs     *edge.Epochs
	generation uint64 // of what is looked up about addresses
	networks   *masking.Networks
	site       *masking.Site
	sightings  *sightings.Site // nil: nothing is recorded
	cache      *clientCache
	sessions   *siteSessions // nil: clients are known by their addresses
	salts      *salts.Site   // nil: masks have none
}

type (
	maskMode     string
	networksMode string
)

const (
	modeMask    maskMode = "mask"
	modeObserve maskMode = "observe"

	networksHeader networksMode = "header"
	networksXFF    networksMode = "xff"
	networksOff    networksMode = "off"
)

// CaddyModule returns the Caddy module information.
func (*ClientMask) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.client_mask", New: func() caddy.Module { return new(ClientMask) }}
}

// validate checks what can be checked without the app, and sets defaults.
func (h *ClientMask) validate() error {
	switch h.Mode {
	case "":
		h.Mode = modeMask
	case modeMask, modeObserve:
	default:
		return fmt.Errorf("mode %q is neither mask nor observe", h.Mode)
	}
	switch h.Networks {
	case "":
		h.Networks = networksHeader
	case networksHeader, networksXFF, networksOff:
	default:
		return fmt.Errorf("networks %q is none of header, xff and off", h.Networks)
	}
	if h.Language != "" {
		var err error
		if h.language, err = i18n.Parse(h.Language); err != nil {
			return err
		}
	}
	if err := h.MaskBy.validate(h.Mode); err != nil {
		return err
	}
	if err := h.RejectIPInput.validate(h.Mode); err != nil {
		return err
	}
	if err := h.readNetworkPages(); err != nil {
		return err
	}
	if h.OnionLocation != "" {
		if err := checkOnion(h.OnionLocation); err != nil {
			return fmt.Errorf("onion_location: %w", err)
		}
		if h.Mode == modeObserve {
			return errOnionObserve
		}
	}
	h.page = defaultBlockPage
	if h.BlockPage != "" {
		var err error
		if h.page, err = readBlockPage(h.BlockPage); err != nil {
			return err
		}
	}
	return masking.SiteConfig{V6Prefix: h.V6Prefix}.Validate()
}

// Provision sets up the handler.
func (h *ClientMask) Provision(ctx caddy.Context) error {
	if err := h.validate(); err != nil {
		return fmt.Errorf("client_mask: %w", err)
	}
	app, err := edge.AppOf(ctx)
	if err != nil {
		return err
	}
	if err := app.CheckServers(ctx); err != nil {
		return err
	}
	tuneUpstreams(ctx)
	h.app, h.blocks, h.logger, h.config = app, blockParts.Of(app), ctx.Logger(), app.SiteConfig()
	if h.Site != nil {
		h.config.Label = *h.Site
	}
	if h.V6Prefix != 0 {
		h.config.V6Prefix = h.V6Prefix
	}
	h.salts = saltParts.Of(app)
	h.salts.serve(h)
	if err := h.provisionSessions(); err != nil {
		return fmt.Errorf("client_mask: %w", err)
	}
	_, err = h.masks()
	return err
}

// masks returns the site's masks under the epochs active now, made anew after a rotation, with another list of a
// named network, and when there is something new to be looked up about addresses.
func (h *ClientMask) masks() (*siteMasks, error) {
	epochs, generation, networks := h.app.Keys().Epochs(), h.app.Recorder().Generation(), h.app.NamedNetworks()
	salts := h.salts.opened()
	fits := func(m *siteMasks) bool {
		return m != nil && m.epochs == epochs && m.generation == generation && m.networks == networks && (m.salts == nil) == (salts == nil)
	}
	if current := h.current.Load(); fits(current) {
		return current, nil
	}
	h.renewing.Lock()
	defer h.renewing.Unlock()
	if current := h.current.Load(); fits(current) {
		return current, nil
	}
	config := h.config
	config.Networks = networks
	site, err := masking.NewSite(epochs.List, config)
	if err != nil {
		return nil, fmt.Errorf("client_mask: %w", err)
	}
	seen, err := h.app.SightingSite(epochs, config)
	if err != nil {
		return nil, fmt.Errorf("client_mask: %w", err)
	}
	renewed := &siteMasks{epochs: epochs, generation: generation, networks: networks, site: site, sightings: seen, cache: newClientCache()}
	if h.MaskBy != nil {
		if renewed.sessions, err = newSiteSessions(epochs.List, h.config.Label); err != nil {
			return nil, fmt.Errorf("client_mask: %w", err)
		}
	}
	if salts != nil {
		if renewed.salts, err = salts.Site(epochs.List, h.config.Label, h.config.V6Prefix); err != nil {
			return nil, fmt.Errorf("client_mask: %w", err)
		}
	}
	h.current.Store(renewed)
	return renewed, nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *ClientMask) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !h.app.Started(r) {
		h.app.Metrics().Refused.WithLabelValues(edge.RefusedStarting.Reason).Inc()
		return edge.RefusedStarting.Answer(w, h.localized(r))
	}
	vars := reqstate.VarsOf(r)
	state := vars.State()          // nil: no handler before this one made it
	again := state.Masked() != nil // an error route, after the request itself
	request, refused := h.request(r, state, vars)
	h.meetProbe(r, vars, request, refused)
	if refused == nil && !again {
		if block, blocked := h.blocked(request.client); blocked {
			return h.serveBlocked(w, r, request.client, block)
		}
	}
	if state == nil && request != nil {
		state = vars.Keep(&request.state)
	}
	if state != nil {
		state.Language = h.language
	}
	if h.Mode == modeObserve {
		h.observe(r, request, state, !again)
		if request != nil && asksReaderPage(r) {
			return h.serveReaderPage(w, r, request.client)
		}
		return next.ServeHTTP(w, r)
	}
	if refused == nil && !again {
		if h.RejectIPInput.rejects(r) {
			return h.serveIPInput(w, r)
		}
		refused = h.record(r, request.client)
	}
	if refused != nil {
		h.app.Metrics().Refused.WithLabelValues(refused.Reason).Inc()
		h.logger.Warn("request refused", zap.String("reason", refused.Reason), zap.String("why", refused.Error()))
		return refused.Answer(w, h.localized(r))
	}
	for _, name := range h.clientIPHeaders(r) {
		delete(r.Header, name)
	}
	if h.MaskBy != nil {
		edge.HideEdgeCookies(r) // a site without csp, too
	}
	if onion := h.onionLocation(r); onion != "" {
		state.AddRare().Onion = onion
	}
	request.apply(r, w, state, vars, h.Networks)
	request.writer.refused = h.refusedPage(r, request.client)
	h.app.Metrics().Masked.Inc()
	var err error
	if asksReaderPage(r) {
		err = h.serveReaderPage(&request.writer, r, request.client)
	} else {
		err = next.ServeHTTP(&request.writer, r)
	}
	request.writer.finish()
	return err
}

// localized returns the request for answers of the edge itself.
func (h *ClientMask) localized(r *http.Request) *http.Request {
	if h.language != nil {
		return r.WithContext(i18n.WithSite(r.Context(), h.language))
	}
	return h.app.Localized(r)
}

// record files that a client was seen. What can publish waits until that is durable: no
// mask is to be shown that can't be looked up.
func (h *ClientMask) record(r *http.Request, c *reqstate.Client) *refusal.Refusal {
	if h.app.Recorder() == nil {
		return nil
	}
	if onlyReads(r) {
		h.app.Recorder().Record(c.Sighting())
		return nil
	}
	done, ok := h.app.HeldByLookups().Use() // or a reload closes the recorder meanwhile
	defer done()
	if !ok {
		return refusedNotRecorded
	}
	if err := h.app.Recorder().RecordDurably(r.Context(), c.Sighting()); err != nil {
		return refusedNotRecorded // the recorder itself logs why, once
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*ClientMask)(nil)
	_ caddyhttp.MiddlewareHandler = (*ClientMask)(nil)
)
