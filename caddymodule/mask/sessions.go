package mask

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/sessions"
)

// sessionCookie is the name of a session's cookie: only a server of this host can set it, over https, and no script can read it.
// A browser that doesn't know the prefix takes it for one of `__Host-`.
const sessionCookie = "__Host-Http-wikiveil-session"

// MaskBy gives browsers that keep a cookie masks of their own, so that one of many behind an address can be blocked alone. Others
// have the mask of their address. A block of the address or of its networks holds for its sessions too.
type MaskBy struct {
	// By is what clients are known by: "session".
	By string `json:"by"`

	// Networks are the named networks in which it holds, such as tor. Default: everywhere.
	Networks []string `json:"networks,omitempty"`

	// Budget is how many sessions can begin behind one address at once, and again each day. Nodes that share records in Redis share
	// it, others have one each. Default: 20.
	Budget int `json:"budget,omitempty"`
}

func (b *MaskBy) options() options.Block {
	return options.Block{
		Name: "mask_by",
		Args: func(d *caddyfile.Dispenser) error {
			args := d.RemainingArgs()
			if len(args) == 0 {
				return d.ArgErr()
			}
			b.By, b.Networks = args[0], args[1:]
			return nil
		},
		Options: []options.Option{
			{Name: "budget", Args: "<sessions>", Set: options.Count(&b.Budget), Doc: "How many can begin behind an address at once, and again each day. Default: 20."},
		},
	}
}

func (b *MaskBy) validate(mode maskMode) error {
	switch {
	case b == nil:
		return nil
	case b.By != "session":
		return fmt.Errorf("mask_by %q is not session", b.By)
	case mode == modeObserve:
		return errors.New("mask_by session sets a cookie, and mode observe changes nothing: leave one of them out")
	case b.Budget < 0 || b.Budget > sessions.MaxBudget:
		return fmt.Errorf("mask_by: budget %d is not from 1 to %d", b.Budget, sessions.MaxBudget)
	}
	return nil
}

// covers reports whether it holds where a client is.
func (b *MaskBy) covers(c *reqstate.Client) bool {
	if len(b.Networks) == 0 {
		return true
	}
	for name := range strings.SplitSeq(c.Names, ", ") {
		if slices.Contains(b.Networks, name) {
			return true
		}
	}
	return false
}

// provisionSessions has the budgets opened at the start.
func (h *ClientMask) provisionSessions() error {
	if err := h.checkNetworkPages(); err != nil {
		return err
	}
	if h.MaskBy == nil {
		return nil
	}
	for _, name := range h.MaskBy.Networks {
		if known := h.app.NetworkNames(); !slices.Contains(known, name) {
			return fmt.Errorf("mask_by: there is no network %q (known: %s)", name, strings.Join(known, ", "))
		}
	}
	h.app.OnStart(func() error {
		key, open, err := h.app.Store("sessions", "no new session begins")
		if err != nil {
			return err
		}
		if h.granted, err = edge.Stores.Acquire(h.app.Held(), key, pool.Closing(open)); err != nil {
			return fmt.Errorf("opening the budgets of sessions: %w", err)
		}
		return nil
	})
	return nil
}

// siteSessions are a site's under the epochs active now.
type siteSessions struct {
	*sessions.Keys
	budgets []byte // the key of their index
}

func newSiteSessions(epochs []masking.Epoch, label string) (*siteSessions, error) {
	keys, err := sessions.NewKeys(epochs, label)
	if err != nil {
		return nil, err
	}
	index, err := sessions.IndexKey(epochs[0])
	return &siteSessions{keys, index}, err
}

// bySession returns the request of the session that it brings back, or else the one of its address. Nil: no mask can be made.
func (h *ClientMask) bySession(r *http.Request, masks *siteMasks, address *maskedRequest) *maskedRequest {
	address.writer.session = new(sessionAnswer) // no app sets the cookie, whoever is asking
	if !h.MaskBy.covers(address.client) || !reqstate.IsHTTPS(r) {
		return address
	}
	now := time.Now()
	session, cookie, renew := h.opened(r, masks, now)
	if cookie == "" {
		if keepsCookies(r) {
			address.writer.session.offer(masks.sessions, sessions.New(now), now)
			h.countSession("offered")
		}
		return address
	}
	if !session.Granted {
		if !h.grant(r, masks, address.client, session, now) {
			return address
		}
		session.Granted, renew = true, true
	}
	request := h.requestOf(r, masks, masking.Who{Addr: address.client.Addr, Session: session.ID[:]}, cookie)
	if request == nil {
		return nil
	}
	request.writer.session = address.writer.session
	if renew {
		request.writer.session.offer(masks.sessions, session, now)
	}
	return request
}

// opened returns the session that a request brings back; an empty cookie is none.
func (h *ClientMask) opened(r *http.Request, masks *siteMasks, now time.Time) (s sessions.Session, cookie string, renew bool) {
	cookie, count := confirm.Cookie(r, sessionCookie)
	if count == 0 {
		return s, "", false
	}
	if count > 1 {
		h.countSession("duplicate")
		return s, "", false
	}
	s, renew, err := masks.sessions.Open(cookie, now)
	switch {
	case errors.Is(err, sessions.ErrExpired):
		h.countSession("expired")
		return s, "", false
	case err != nil:
		h.countSession("forged")
		return s, "", false
	}
	return s, cookie, renew
}

// grant takes a session out of its address's budget. Without one, and where nobody can tell, the client keeps its address's mask.
func (h *ClientMask) grant(r *http.Request, masks *siteMasks, c *reqstate.Client, s sessions.Session, now time.Time) bool {
	budget := sessions.Budget{Store: h.granted, Index: masks.sessions.budgets, Day: h.MaskBy.Budget}
	if budget.Day == 0 {
		budget.Day = sessions.DefaultBudget
	}
	place, err := masks.site.Masker().Client(c.Addr) // without salt: a new one is no new budget
	granted := false
	if err == nil {
		granted, err = budget.Grant(r.Context(), place, s, now)
	}
	switch {
	case err != nil:
		h.countSession("failed")
	case granted:
		h.countSession("granted")
	default:
		h.countSession("over_budget")
	}
	return granted
}

func (h *ClientMask) countSession(outcome string) {
	h.app.Metrics().Sessions.WithLabelValues(outcome).Inc()
}

// keepsCookies reports whether the answer may have a browser keep a cookie. What a page asks for besides has met one already, or
// a browser that keeps none.
func keepsCookies(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return dest == "" || dest == "document"
}

// sessionAnswer is what an answer says of sessions.
type sessionAnswer struct {
	cookie string // empty: none is set
	life   time.Duration
}

func (a *sessionAnswer) offer(keys *siteSessions, s sessions.Session, now time.Time) {
	a.cookie, a.life = keys.Seal(s), s.Ends().Sub(now)
}

// add sets the cookie. No app does, even where there is no csp to keep it from that.
func (a *sessionAnswer) add(h http.Header, state *reqstate.State) {
	if !state.SetsCookies {
		exempt.StripSetCookies(h)
	}
	if a.cookie != "" {
		confirm.SetCookie(h, sessionCookie, a.cookie, a.life)
		exempt.MarkPrivate(h, false)
	}
}
