package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// ConsentOrigins are two origins, since scripts on the wiki's own can do and read all that its readers can.
type ConsentOrigins struct {
	// Wiki is the wiki's origin, such as https://wiki.example.
	Wiki string `json:"wiki"`

	// Origin is where readers are asked, and nothing else is: another port of the wiki's host, such
	// as https://wiki.example:9443, or a subdomain.
	Origin string `json:"origin"`

	// DeveloperConsent lets readers let a port of their own machine through for a day, scripts
	// too, to try a gadget that they write: /.privacy/go?tool=localhost:8080. Default: false.
	DeveloperConsent bool `json:"developer_consent,omitempty"`
}

// validate checks the origins.
func (c *ConsentOrigins) validate() error {
	_, err := c.flow(&edge.FlowKeys{Flows: new(confirm.Keys)}, kv.NewMemory(1))
	return err
}

func (c *ConsentOrigins) flow(keys *edge.FlowKeys, nonces kv.Store) (*confirm.Flow, error) {
	return confirm.New(confirm.Config{Purpose: "exempt", Wiki: c.Wiki, Origin: c.Origin, Keys: keys.Flows, Clients: edge.ClientsOf, Nonces: nonces})
}

// consentOrigins are those of a config's csp and third_party_consent.
type consentOrigins struct {
	mu       sync.Mutex
	declared []ConsentOrigins
}

var consentParts = edge.NewPart[consentOrigins]()

// agree refuses origins that can't work together with others of the config.
func (c *consentOrigins) agree(origins ConsentOrigins) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.declared {
		if origins.clash(other) {
			return fmt.Errorf("%s and %s are not the origins that another csp or third_party_consent names, %s and %s: "+
				"a wiki and its consent origin belong together, in both", origins.Wiki, origins.Origin, other.Wiki, other.Origin)
		}
	}
	c.declared = append(c.declared, origins)
	return nil
}

// clash reports whether two directives pair one origin with different others.
func (c *ConsentOrigins) clash(other ConsentOrigins) bool {
	return strings.EqualFold(c.Wiki, other.Wiki) != strings.EqualFold(c.Origin, other.Origin)
}

// owns reports whether an origin is one of the two.
func (c *ConsentOrigins) owns(origin string) bool {
	return strings.EqualFold(origin, c.Wiki) || strings.EqualFold(origin, c.Origin)
}

// agree does so while a Caddyfile is adapted, where the lines are known.
func (c *ConsentOrigins) agree(h httpcaddyfile.Helper) error {
	type declared struct {
		ConsentOrigins
		file string
		line int
	}
	const key = "wikiveil.consents"
	before, _ := h.State[key].([]declared)
	for _, other := range before {
		if c.clash(other.ConsentOrigins) {
			return h.Errf("%s and %s are not the origins that stand at %s:%d, %s and %s: a wiki and its consent origin belong together, "+
				"in csp and in third_party_consent", c.Wiki, c.Origin, other.file, other.line, other.Wiki, other.Origin)
		}
	}
	h.State[key] = append(before, declared{*c, h.File(), h.Line()})
	return nil
}

// consentSite has the pages of one wiki's exemptions, and knows who let what through.
type consentSite struct {
	origins    ConsentOrigins
	confirming *edge.Confirmations
	config     exempt.Config // but for keys and flow
	current    atomic.Pointer[keyedSite]
	renewing   sync.Mutex
}

// keyedSite is a site under the epochs active at a time.
type keyedSite struct {
	keys *edge.FlowKeys
	*exempt.Site
}

// newConsentSite makes the pages. More is what the wiki's own site knows and the consent origin doesn't need.
func newConsentSite(ctx caddy.Context, a *edge.App, origins ConsentOrigins, more exempt.Config) (*consentSite, error) {
	more.Declared = func(name string) (noticeboard.Entry, error) { return a.Noticeboard().ForConsent(name) }
	more.HTTPS = reqstate.IsHTTPS
	more.Count = func(outcome string) { a.Metrics().Consents.WithLabelValues(outcome).Inc() }
	more.Localhost, more.Board = origins.DeveloperConsent, boardPath(ctx)
	s := &consentSite{origins: origins, confirming: a.Confirmations(), config: more}
	_, err := s.make(kv.NewMemory(1)) // tells what is wrong; the app's own are opened when it starts
	return s, err
}

// boardPath returns where the list of tools is, if the config has one such path.
func boardPath(ctx caddy.Context) string {
	path := ""
	for _, config := range configcheck.Handlers(configcheck.HTTPApp(ctx), "anonproxy") {
		var board struct{ Path string }
		if json.Unmarshal(config, &board) != nil {
			return ""
		}
		board.Path = cmp.Or(board.Path, noticeboard.DefaultPrefix)
		if path != "" && path != board.Path {
			return ""
		}
		path = board.Path
	}
	return path
}

// site returns the site as it is now, made anew after a rotation of the keys.
func (s *consentSite) site() (*keyedSite, error) {
	keys, err := s.confirming.Keys()
	if err != nil {
		return nil, err
	}
	if current := s.current.Load(); current != nil && current.keys == keys {
		return current, nil
	}
	s.renewing.Lock()
	defer s.renewing.Unlock()
	if current := s.current.Load(); current != nil && current.keys == keys {
		return current, nil
	}
	renewed, err := s.make(s.confirming.Nonces)
	if err == nil {
		s.current.Store(renewed)
	}
	return renewed, err
}

func (s *consentSite) make(nonces kv.Store) (*keyedSite, error) {
	keys, err := s.confirming.Keys()
	if err != nil {
		return nil, err
	}
	config := s.config
	if config.Flow, err = s.origins.flow(keys, nonces); err != nil {
		return nil, err
	}
	made, err := exempt.New(config)
	if err != nil {
		return nil, err
	}
	return &keyedSite{keys, made}, nil
}

// serve responds with one of the site's two sets of pages.
func (s *consentSite) serve(w http.ResponseWriter, r *http.Request, pages func(*exempt.Site) http.Handler) error {
	site, err := s.site()
	if err != nil {
		return fmt.Errorf("third_party_consent: %w", err)
	}
	pages(site.Site).ServeHTTP(w, r)
	return nil
}

// reasonOf is the fixed word for why exemptions don't count.
func reasonOf(err error) string {
	if why, ok := refusal.Of(err); ok {
		return why.Reason
	}
	return exempt.ErrFailed.Reason
}
