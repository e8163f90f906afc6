package mask

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
)

func init() { caddy.RegisterModule(MatchClientNetwork{}) }

// MatchClientNetwork matches requests whose client is in one of the named networks, before client_mask and after it. It hands the
// address on to nobody. All clients of an onion service are in the networks onion and tor.
type MatchClientNetwork struct {
	// Names are names of networks.
	Names []string `json:"names,omitempty"`

	app *edge.App
}

// CaddyModule returns the Caddy module information.
func (MatchClientNetwork) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.client_network", New: func() caddy.Module { return new(MatchClientNetwork) }}
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	client_network <name>...
func (m *MatchClientNetwork) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		m.Names = append(m.Names, args...)
		if d.NextBlock(0) {
			return d.Err("client_network has no block")
		}
	}
	return nil
}

// CELLibrary lets expressions ask client_network('tor', 'vpn').
func (MatchClientNetwork) CELLibrary(ctx caddy.Context) (cel.Library, error) {
	return caddyhttp.CELMatcherImpl("client_network", "client_network_request_list", []*cel.Type{cel.ListType(cel.StringType)},
		func(data ref.Val) (caddyhttp.RequestMatcherWithError, error) {
			m := new(MatchClientNetwork)
			list, ok := data.(traits.Lister)
			if !ok {
				return nil, errors.New("client_network takes names")
			}
			for names := list.Iterator(); names.HasNext() == types.True; {
				name, ok := names.Next().Value().(string)
				if !ok {
					return nil, errors.New("client_network takes names")
				}
				m.Names = append(m.Names, name)
			}
			return m, m.Provision(ctx)
		})
}

// Provision refuses networks that there are none of: a block of them would silently not hold.
func (m *MatchClientNetwork) Provision(ctx caddy.Context) (err error) {
	if m.app, err = edge.AppOf(ctx); err != nil {
		return err
	}
	if len(m.Names) == 0 {
		return errors.New("client_network: no names")
	}
	for _, name := range m.Names {
		if !slices.Contains(m.app.NetworkNames(), name) {
			return fmt.Errorf("client_network: there is no network %q; declare it in the wikiveil option by `network %s …`", name, name)
		}
	}
	return nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m *MatchClientNetwork) MatchWithError(r *http.Request) (bool, error) {
	addr, err := originalAddr(r, "client_network")
	if err != nil {
		return false, err
	}
	config := m.app.SiteConfig()
	return slices.ContainsFunc(config.NetworksOf(addr), func(name string) bool { return slices.Contains(m.Names, name) }), nil
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchClientNetwork)(nil)
	_ caddyfile.Unmarshaler             = (*MatchClientNetwork)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchClientNetwork)(nil)
	_ caddyhttp.CELLibraryProducer      = (*MatchClientNetwork)(nil)
)
