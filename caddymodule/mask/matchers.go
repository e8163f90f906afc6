package mask

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/clientaddr"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/masking"
)

func init() {
	caddy.RegisterModule(MatchOriginalClientIP{})
	caddy.RegisterModule(MatchMasked{})
}

// MatchOriginalClientIP matches requests by the client address as it was before
// client_mask put the mask in its place. It hands the address on to nobody.
type MatchOriginalClientIP struct {
	// Ranges are addresses and CIDR ranges. Placeholders are taken when the config is loaded.
	Ranges []string `json:"ranges,omitempty"`

	prefixes []netip.Prefix
}

// CaddyModule returns the Caddy module information.
func (MatchOriginalClientIP) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.original_client_ip",
		New: func() caddy.Module { return new(MatchOriginalClientIP) },
	}
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	original_client_ip <range>... [private_ranges]
func (m *MatchOriginalClientIP) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		for _, text := range args {
			if text == "private_ranges" {
				m.Ranges = append(m.Ranges, caddyhttp.PrivateRangesCIDR()...)
				continue
			}
			m.Ranges = append(m.Ranges, text)
		}
		if d.NextBlock(0) {
			return d.Err("original_client_ip has no block")
		}
		if err := m.parse(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// Provision parses the ranges.
func (m *MatchOriginalClientIP) Provision(caddy.Context) error { return m.parse() }

func (m *MatchOriginalClientIP) parse() error {
	m.prefixes = nil
	for _, text := range m.Ranges {
		value, err := edge.Expand(text)
		if err != nil {
			return fmt.Errorf("original_client_ip: %w", err)
		}
		prefix, err := masking.ParseRange(value)
		if err != nil {
			return fmt.Errorf("original_client_ip: %w", err)
		}
		m.prefixes = append(m.prefixes, prefix)
	}
	if len(m.prefixes) == 0 {
		return errors.New("original_client_ip: no ranges")
	}
	return nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m *MatchOriginalClientIP) MatchWithError(r *http.Request) (bool, error) {
	addr, err := originalAddr(r, "original_client_ip")
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(m.prefixes, func(p netip.Prefix) bool { return p.Contains(addr) }), nil
}

// originalAddr returns a request's client address as it was before client_mask, for a matcher; it is to be handed on to nobody.
func originalAddr(r *http.Request, matcher string) (netip.Addr, error) {
	if r.TLS != nil && !r.TLS.HandshakeComplete {
		// As Caddy's own matchers do: in 0-RTT data the address is not proven yet.
		return netip.Addr{}, caddyhttp.Error(http.StatusTooEarly, errors.New("TLS handshake not complete, client address cannot be verified"))
	}
	if client := reqstate.Known(r).Masked(); client != nil {
		return client.Addr, nil
	}
	addr, _, refused := clientaddr.Of(r, reqstate.VarsOf(r))
	if refused != nil {
		// Silence would let in whom the operator blocks.
		return netip.Addr{}, caddyhttp.Error(refused.Status, errors.New(matcher+": "+refused.Error()))
	}
	return addr, nil
}

// MatchMasked matches requests whose client has one of the masks, or is in a network
// that has one, under the epoch in use or an older one that still counts.
type MatchMasked struct {
	// Masks are masks of clients, ranges and named networks.
	Masks []string `json:"masks,omitempty"`

	masks []netip.Addr
}

// CaddyModule returns the Caddy module information.
func (MatchMasked) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.masked", New: func() caddy.Module { return new(MatchMasked) }}
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	masked <mask>...
func (m *MatchMasked) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		m.Masks = append(m.Masks, args...)
		if d.NextBlock(0) {
			return d.Err("masked has no block")
		}
		if err := m.parse(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// Provision parses the masks.
func (m *MatchMasked) Provision(caddy.Context) error { return m.parse() }

func (m *MatchMasked) parse() error {
	m.masks = nil
	for _, text := range m.Masks {
		addr, err := netip.ParseAddr(text)
		if err != nil || !masking.Is(addr) {
			return fmt.Errorf("masked: %q is not a mask (2001:2f:… or 2001:2e:…; `wikiveil mask` makes them from addresses and ranges)", text)
		}
		m.masks = append(m.masks, addr)
	}
	if len(m.masks) == 0 {
		return errors.New("masked: no masks")
	}
	return nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m *MatchMasked) MatchWithError(r *http.Request) (bool, error) {
	state := reqstate.Known(r)
	client := state.Masked()
	if client == nil {
		// Silence would let in whom the operator blocks.
		return false, caddyhttp.Error(http.StatusServiceUnavailable, errors.New("the matcher masked needs client_mask, in mode mask, in its site"))
	}
	has := func(mask netip.Addr) bool { return slices.Contains(m.masks, mask) }
	return slices.ContainsFunc(client.AllMasks(), has), nil
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchOriginalClientIP)(nil)
	_ caddyfile.Unmarshaler             = (*MatchOriginalClientIP)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchOriginalClientIP)(nil)

	_ caddy.Provisioner                 = (*MatchMasked)(nil)
	_ caddyfile.Unmarshaler             = (*MatchMasked)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchMasked)(nil)
)
