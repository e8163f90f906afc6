package mask

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// idleConns is how many idle connections to an upstream are kept open where the config doesn't say. Caddy keeps 32: with more clients
// at once than that, each further request opens a connection of its own.
const idleConns = 256

// keepIdleConns has the reverse proxies behind the client_mask that is being provisioned keep idleConns connections. Caddy loads what
// follows in a site afterwards, from JSON that is changed here: once a transport is made, nothing tells whether
// the config said something, and health checks use it already.
func keepIdleConns(ctx caddy.Context) {
	inSite := false
	for _, around := range slices.Backward(ctx.Modules()) {
		switch around := around.(type) {
		case *caddyhttp.Subroute:
			inSite = true
			keepIdleConnsIn(around.Routes, around.Errors)
		case *caddyhttp.App:
			for _, server := range around.Servers {
				for _, named := range server.NamedRoutes {
					keepIdleConnsIn(caddyhttp.RouteList{*named}, nil)
				}
				if !inSite { // else the server's routes are other sites
					keepIdleConnsIn(server.Routes, server.Errors)
				}
			}
		}
	}
}

func keepIdleConnsIn(routes caddyhttp.RouteList, errors *caddyhttp.HTTPErrorConfig) {
	if errors != nil {
		keepIdleConnsIn(errors.Routes, nil)
	}
	for _, route := range routes {
		for i, raw := range route.HandlersRaw {
			route.HandlersRaw[i] = withIdleConns(raw)
		}
	}
}

// withIdleConns returns a handler's JSON with idleConns in all reverse proxies that are in it and don't say a number themselves.
func withIdleConns(raw json.RawMessage) json.RawMessage {
	var config any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&config) != nil || !addIdleConns(config) {
		return raw // Caddy itself says what is wrong
	}
	changed, err := json.Marshal(config)
	if err != nil {
		return raw
	}
	return changed
}

// addIdleConns reports whether it changed anything.
func addIdleConns(config any) (changed bool) {
	switch config := config.(type) {
	case []any:
		for _, inner := range config {
			changed = addIdleConns(inner) || changed
		}
	case map[string]any:
		for _, inner := range config {
			changed = addIdleConns(inner) || changed
		}
		if config["handler"] == "reverse_proxy" {
			changed = addToProxy(config) || changed
		}
	}
	return changed
}

func addToProxy(proxy map[string]any) (changed bool) {
	if hasVariant(proxy, "transport") {
		return false
	}
	if proxy["transport"] == nil {
		proxy["transport"] = map[string]any{"protocol": "http"} // as by default
	}
	transport, ok := proxy["transport"].(map[string]any)
	if !ok || transport["protocol"] != "http" || hasVariant(transport, "keep_alive") {
		return false
	}
	if transport["keep_alive"] == nil {
		transport["keep_alive"] = make(map[string]any)
	}
	keepAlive, ok := transport["keep_alive"].(map[string]any)
	if !ok || keepAlive["max_idle_conns_per_host"] != nil || hasVariant(keepAlive, "max_idle_conns_per_host") {
		return false
	}
	keepAlive["max_idle_conns_per_host"] = idleConns
	return true
}

// hasVariant reports whether a key is there in other letter case. Caddy reads that as the same, so ours would replace the operator's.
func hasVariant(config map[string]any, key string) bool {
	for other := range config {
		if other != key && strings.EqualFold(other, key) {
			return true
		}
	}
	return false
}
