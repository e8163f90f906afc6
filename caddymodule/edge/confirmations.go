package edge

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/wikiveil/wikiveil/caddymodule/internal/clientaddr"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/redisclient"
)

// Confirmations are what all flows of a config share, of reveals and of exemptions: what
// they sign with, and which confirmations were used.
type Confirmations struct {
	used     bool // by some site
	ring     *KeyRing
	Nonces   kv.Store // nil before the start
	current  atomic.Pointer[FlowKeys]
	renewing sync.Mutex
}

// FlowKeys are the keys under the epochs active at a time. Those of kept epochs are accepted
// too, so a rotation interrupts nobody.
type FlowKeys struct {
	epochs *Epochs
	Flows  *confirm.Keys
}

// Confirmations returns the app's. Their nonces are opened when it starts.
func (a *App) Confirmations() *Confirmations {
	c := a.confirming
	if c.used {
		return c
	}
	c.used = true
	a.OnStart(func() (err error) {
		if c.Nonces, err = a.openNonces(); err != nil {
			return fmt.Errorf("opening the record of confirmations: %w", err)
		}
		return nil
	})
	return c
}

// Keys returns the keys to sign with now.
func (c *Confirmations) Keys() (*FlowKeys, error) {
	epochs := c.ring.Epochs()
	if current := c.current.Load(); current != nil && current.epochs == epochs {
		return current, nil
	}
	c.renewing.Lock()
	defer c.renewing.Unlock()
	if current := c.current.Load(); current != nil && current.epochs == epochs {
		return current, nil
	}
	var materials [][]byte
	for _, epoch := range epochs.List {
		material, err := epoch.Key("confirm")
		if err != nil {
			return nil, fmt.Errorf("deriving keys of confirmations: %w", err)
		}
		materials = append(materials, material)
	}
	flows, err := confirm.NewKeys(materials[0], materials[1:]...)
	if err != nil {
		return nil, err
	}
	renewed := &FlowKeys{epochs, flows}
	c.current.Store(renewed)
	return renewed, nil
}

// ClientsOf returns where a request comes from as no script can choose it: the client's address, or its /64, and
// the networks around it. Its mask isn't used, since the two sites of a flow may have other labels.
func ClientsOf(r *http.Request) []string {
	var addr netip.Addr
	if known := reqstate.Known(r).Client; known != nil {
		addr = known.Addr
	} else if told, _, refused := clientaddr.Of(r, reqstate.VarsOf(r)); refused == nil {
		addr = told
	}
	lengths := [...]int{32, 24, 16}
	if addr.Is6() {
		lengths = [...]int{64, 48, 32}
	}
	var groups []string
	for _, bits := range lengths {
		prefix, err := addr.Prefix(bits)
		if err != nil {
			return nil
		}
		groups = append(groups, prefix.String())
	}
	return groups
}

// maxNonces bears 800 confirmations a minute, in some 26 MB then.
const maxNonces = 1 << 17

// openNonces opens them where several nodes share their sightings, so in Redis, or in memory.
func (a *App) openNonces() (kv.Store, error) {
	if a.redis() == nil {
		return Stores.Acquire(&a.heldByLookups, "memory", pool.Closing(func() (kv.Store, error) { return kv.NewMemory(maxNonces), nil }))
	}
	key, open, err := a.Store("nonces", "")
	if err != nil {
		return nil, err
	}
	return Stores.Acquire(&a.heldByLookups, key, func(own *pool.Held) (kv.Store, error) {
		nonces, err := pool.Closing(open)(own)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), StorageTimeout)
		defer cancel()
		// Where Redis is away it begins to remember with the first confirmation.
		if err := confirm.Begin(ctx, nonces); redisclient.Unfit(err) {
			return nil, err
		}
		return nonces, nil
	})
}

// HideEdgeCookies takes the edge's cookies out of a request before others see it.
func HideEdgeCookies(r *http.Request) {
	before := r.Header["Cookie"]
	if exempt.StripCookies(r.Header) {
		reqstate.Of(r).AddRare().Cookies = before
	}
}

// EdgeRequest returns a request as a handler of the edge needs it that comes after the csp handler: with the
// edge's cookies. Its response may set them.
func EdgeRequest(r *http.Request) *http.Request {
	state := reqstate.Of(r)
	state.SetsCookies = true
	cookies := state.Rare().Cookies
	if cookies == nil {
		return r
	}
	r = r.Clone(r.Context())
	r.Header["Cookie"] = cookies
	return r
}
