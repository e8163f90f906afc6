package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

// MaskAccess says who may look masks up and reveal them, and where. The handlers mask_info and
// mask_reveal share it.
type MaskAccess struct {
	// Wiki has MediaWiki itself say which rights a visitor holds, by the visitor's own session.
	Wiki *WikiAccess `json:"wiki,omitempty"`

	// Users are the rights ("info", "reveal", "audit") of users whom an authentication in front
	// knows, by their ids ({http.auth.user.id}).
	Users map[string][]string `json:"users,omitempty"`

	// Site is the label of the client_mask whose masks are looked up; others' are unknown
	// here. Default: the app's.
	Site *string `json:"site,omitempty"`

	// Reveal says where reveals are confirmed. Default: no mask can be revealed.
	Reveal *RevealOrigins `json:"reveal,omitempty"`

	app     *edge.App
	logger  *zap.Logger
	lookups *lookups
	gate    *access.Gate
	wiki    *access.MediaWiki
	label   string
}

// WikiAccess says how a MediaWiki is asked. A user who is blocked sitewide has no rights.
type WikiAccess struct {
	// API is the URL of the wiki's api.php. Visitors' session cookies go there: use https
	// unless it is this machine.
	API string `json:"api"`
	// Host is sent as the Host header. Default: the URL's.
	Host string `json:"host,omitempty"`
	// InfoRight, RevealRight and AuditRight are the wiki's rights that give ours. Default:
	// block, checkuser and checkuser-log.
	InfoRight   string `json:"info_right,omitempty"`
	RevealRight string `json:"reveal_right,omitempty"`
	AuditRight  string `json:"audit_right,omitempty"`
	// Cookies are patterns, with "*", of the names of the session's cookies; no other is sent
	// to the wiki. Default: MediaWiki's.
	Cookies []string `json:"cookies,omitempty"`
	// Timeout bounds one request. Default: 5s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
	// Cache is how long a response counts, at most 10m. Default: 1m.
	Cache caddy.Duration `json:"cache,omitempty"`
}

// RevealOrigins are two origins, since scripts on the wiki's own can do and read all that its users can.
type RevealOrigins struct {
	// Wiki is the wiki's origin, such as https://wiki.example.
	Wiki string `json:"wiki"`
	// Origin is where reveals are confirmed and shown, and nothing else is: another port of the wiki's
	// host, such as https://wiki.example:9443, or a subdomain.
	Origin string `json:"origin"`
}

func (c *WikiAccess) config(site string) access.MediaWikiConfig {
	return access.MediaWikiConfig{
		API: caddy.NewReplacer().ReplaceAll(c.API, ""), Host: c.Host, Site: site,
		InfoRight: c.InfoRight, RevealRight: c.RevealRight, AuditRight: c.AuditRight,
		Cookies: c.Cookies, Timeout: time.Duration(c.Timeout), CacheFor: time.Duration(c.Cache),
	}
}

// validate checks what can be checked without the app, and while adapting without
// files and the environment, too.
func (c *MaskAccess) validate(adapting bool) error {
	if c.Wiki != nil && c.Users != nil {
		return errors.New("rights come from the wiki or from users, not from both")
	}
	if c.Wiki != nil {
		config := c.Wiki.config("")
		if adapting && strings.Contains(c.Wiki.API, "{") {
			config.API = "https://wiki.invalid/api.php" // in the placeholder's place
		}
		if err := config.Validate(); err != nil {
			return err
		}
	}
	if _, err := c.rights(); err != nil {
		return err
	}
	if c.Reveal != nil {
		_, err := c.makeFlow(new(confirm.Keys), kv.NewMemory(1))
		return err
	}
	return nil
}

// checkLabel refuses a label that none of the config's masks have: each look-up would say "unknown". A config without
// client_mask may serve the masks of another edge.
func (c *MaskAccess) checkLabel(apps string, labels []string) error {
	label := apps
	if c.Site != nil {
		label = *c.Site
	}
	if len(labels) == 0 || slices.Contains(labels, label) {
		return nil
	}
	return fmt.Errorf("no client_mask has the site label %q (there are: %q), so no mask would be known here; set `site`", label, labels)
}

func (c *MaskAccess) rights() (map[string]access.Rights, error) {
	all := make(map[string]access.Rights, len(c.Users))
	for id, names := range c.Users {
		if id == "" || len(names) == 0 {
			return nil, errors.New("user needs an id and rights (info, reveal, audit)")
		}
		for _, name := range names {
			right, err := access.ParseRight(name)
			if err != nil {
				return nil, err
			}
			all[id] |= access.RightsOf(right)
		}
	}
	return all, nil
}

// provision checks everything, and has what look-ups need opened at the start. Without access, as mask_reveal
// may be, there is no gate.
func (c *MaskAccess) provision(ctx caddy.Context) error {
	err := c.validate(false)
	if err != nil {
		return err
	}
	if c.app, err = edge.AppOf(ctx); err != nil {
		return err
	}
	c.logger = ctx.Logger()
	if c.app.Sightings == nil {
		return errNoSightings
	}
	c.label = c.app.Site
	if c.Site != nil {
		c.label = *c.Site
	}
	var users access.Resolver
	switch {
	case c.Wiki != nil:
		// Users of two wikis may have the same id.
		config := c.Wiki.config(c.label)
		config.Client = clientKey
		if c.wiki, err = access.NewMediaWiki(config); err != nil {
			return err
		}
		c.app.HeldByLookups().Add(c.wiki.Close)
		users = c.wiki
	case c.Users != nil:
		rights, err := c.rights()
		if err != nil {
			return err
		}
		users = access.Fixed{ID: reqstate.User, Rights: rights}
	}
	c.lookups = lookupParts.Of(c.app)
	c.lookups.use()
	if users != nil {
		c.app.OnStart(func() error {
			c.gate = &access.Gate{Users: users, Quotas: c.lookups.quotas}
			return nil
		})
	}
	return nil
}

// clientKey tells clients apart where they share something: by their masks, or where none is made, as on the origin of
// reveals, by their addresses, IPv6 ones by their /64.
func clientKey(r *http.Request) string {
	state := reqstate.Known(r)
	if client := state.Masked(); client != nil {
		return client.Mask
	}
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	if addr = addr.Unmap(); addr.Is6() {
		network, _ := addr.WithZone("").Prefix(masking.DefaultV6Prefix) // of an IPv6 address it can't fail
		addr = network.Addr()
	}
	return addr.String()
}

// flow is how reveals of this wiki are confirmed.
func (c *MaskAccess) flow() (*confirm.Flow, error) {
	keys, err := c.lookups.confirming.Keys()
	if err != nil {
		return nil, err
	}
	return c.makeFlow(keys.Flows, c.lookups.confirming.Nonces)
}

func (c *MaskAccess) makeFlow(keys *confirm.Keys, nonces kv.Store) (*confirm.Flow, error) {
	return confirm.New(confirm.Config{
		Purpose: "reveal", Wiki: c.Reveal.Wiki, Origin: c.Reveal.Origin, Keys: keys, Clients: edge.ClientsOf, Nonces: nonces,
	})
}

// look returns the records of clients' masks. One of another site is unknown.
func (c *MaskAccess) look(ctx context.Context, masks []netip.Addr) ([]sightings.Record, error) {
	records, err := c.app.Recorder().LookAll(ctx, masks...)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Site != c.label {
			return nil, &sightings.MaskError{Mask: r.Mask, Err: sightings.ErrUnknown}
		}
	}
	return records, nil
}

// lookNetwork returns what a network mask stands for.
func (c *MaskAccess) lookNetwork(ctx context.Context, mask netip.Addr) (sightings.NetworkRecord, error) {
	n, err := c.app.Recorder().LookNetwork(ctx, mask)
	if err == nil && n.Site != c.label {
		return sightings.NetworkRecord{}, &sightings.MaskError{Mask: mask, Err: sightings.ErrUnknown}
	}
	return n, err
}

// fromOwnOrigin reports whether a page of this origin made a request, or a program that says so. Browsers that
// don't say where a request comes from may have it from anywhere.
func fromOwnOrigin(r *http.Request) bool {
	said := r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
	return said && new(http.CrossOriginProtection).Check(r) == nil
}
