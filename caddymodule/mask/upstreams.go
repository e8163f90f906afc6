package mask

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// What connections to an upstream are like where the config doesn't say.
const (
	idleConns  = 256      // that are kept open. Caddy keeps 32: with more clients at once, each further request opens one of its own.
	readBuffer = 16 << 10 // bytes; Go's own are 4 KiB: a page of common size then comes in one read, and leaves in fewer writes
)

// tuneUpstreams has the reverse proxies behind the client_mask that is being provisioned connect like that. Caddy loads what
// follows in a site afterwards, from JSON that is changed here: once a transport is made, nothing tells whether
// the config said something, and health checks use it already.
func tuneUpstreams(ctx caddy.Context) {
	inSite := false
	for _, around := range slices.Backward(ctx.Modules()) {
		switch around := around.(type) {
		case *caddyhttp.Subroute:
			inSite = true
			tuneRoutes(around.Routes, around.Errors)
		case *caddyhttp.App:
			for _, server := range around.Servers {
				for _, named := range server.NamedRoutes {
					tuneRoutes(caddyhttp.RouteList{*named}, nil)
				}
				if !inSite { // else the server's routes are other sites
					tuneRoutes(server.Routes, server.Errors)
				}
			}
		}
	}
}

func tuneRoutes(routes caddyhttp.RouteList, errors *caddyhttp.HTTPErrorConfig) {
	if errors != nil {
		tuneRoutes(errors.Routes, nil)
	}
	for _, route := range routes {
		for i, raw := range route.HandlersRaw {
			route.HandlersRaw[i] = tuned(raw)
		}
	}
}

// tuned returns a handler's JSON with these in all reverse proxies that are in it and don't say a number themselves.
func tuned(raw json.RawMessage) json.RawMessage {
	var config any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&config) != nil || !tuneProxies(config) {
		return raw // Caddy itself says what is wrong
	}
	changed, err := json.Marshal(config)
	if err != nil {
		return raw
	}
	return changed
}

// tuneProxies reports whether it changed anything.
func tuneProxies(config any) (changed bool) {
	switch config := config.(type) {
	case []any:
		for _, inner := range config {
			changed = tuneProxies(inner) || changed
		}
	case map[string]any:
		for _, inner := range config {
			changed = tuneProxies(inner) || changed
		}
		if config["handler"] == "reverse_proxy" {
			changed = tuneProxy(config) || changed
		}
	}
	return changed
}

func tuneProxy(proxy map[string]any) (changed bool) {
	if hasVariant(proxy, "transport") {
		return false
	}
	if proxy["transport"] == nil {
		proxy["transport"] = map[string]any{"protocol": "http"} // as by default
	}
	transport, ok := proxy["transport"].(map[string]any)
	if !ok || transport["protocol"] != "http" {
		return false
	}
	changed = setDefault(transport, "read_buffer_size", readBuffer)
	if hasVariant(transport, "keep_alive") {
		return changed
	}
	if transport["keep_alive"] == nil {
		transport["keep_alive"] = make(map[string]any)
	}
	keepAlive, ok := transport["keep_alive"].(map[string]any)
	return ok && setDefault(keepAlive, "max_idle_conns_per_host", idleConns) || changed
}

// setDefault reports whether the key wasn't there, in any letter case.
func setDefault(config map[string]any, key string, value int) bool {
	if config[key] != nil || hasVariant(config, key) {
		return false
	}
	config[key] = value
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
