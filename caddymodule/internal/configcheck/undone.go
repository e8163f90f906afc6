package configcheck

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
)

// lookAtMatchers warns of matchers after client_mask that see something else than they did.
func (w *walker) lookAtMatchers(r route) {
	for _, set := range r.matchers {
		w.lookAtSet(set, r.place)
	}
}

func (w *walker) lookAtSet(set map[string]json.RawMessage, place string) {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if name == "not" {
			var sets []map[string]json.RawMessage
			_ = json.Unmarshal(set[name], &sets)
			for _, inner := range sets {
				w.lookAtSet(inner, place)
			}
			continue
		}
		w.warn(place, matcherFault(name, wordsOf(name, set[name])))
	}
}

// wordsOf returns what a Caddyfile gives a matcher as its arguments.
func wordsOf(name string, config json.RawMessage) []string {
	switch name {
	case "remote_ip", "client_ip":
		var c struct {
			Ranges []string `json:"ranges"`
		}
		_ = json.Unmarshal(config, &c)
		return c.Ranges
	case "expression":
		var text string
		var c struct {
			Expr string `json:"expr"`
		}
		if json.Unmarshal(config, &text) != nil {
			_ = json.Unmarshal(config, &c)
			text = c.Expr
		}
		return []string{text}
	}
	var c map[string]json.RawMessage
	_ = json.Unmarshal(config, &c)
	return slices.Sorted(maps.Keys(c))
}

// lookAtHandler warns of handlers after client_mask that undo what it did or look for addresses.
func (w *walker) lookAtHandler(h handler) {
	w.warn(h.place, handlerFault(h.name))
	switch h.name {
	case "headers":
		var c headers.Handler
		_ = json.Unmarshal(h.config, &c)
		w.lookAtHeaders("request_header", h.place, c.Request)
	case "reverse_proxy":
		var c struct {
			Headers   headers.Handler `json:"headers"`
			Upstreams []struct {
				Dial string `json:"dial"`
			} `json:"upstreams"`
			Transport struct {
				Env map[string]string `json:"env"`
			} `json:"transport"`
		}
		_ = json.Unmarshal(h.config, &c)
		w.lookAtHeaders("header_up", h.place, c.Headers.Request)
		for _, upstream := range c.Upstreams {
			w.warn(h.place, UpstreamFault(upstream.Dial))
		}
		for _, name := range slices.Sorted(maps.Keys(c.Transport.Env)) {
			w.warn(h.place, envFault(name, c.Transport.Env[name], w.xff))
		}
	case "vars":
		var c map[string]json.RawMessage
		_ = json.Unmarshal(h.config, &c)
		for _, name := range slices.Sorted(maps.Keys(c)) {
			w.warn(h.place, varFault(name))
		}
	case "map":
		w.warn(h.place, mapFault(h.option("source")))
	}
}

func (w *walker) lookAtHeaders(directive, place string, ops *headers.HeaderOps) {
	if ops == nil {
		return
	}
	if w.responses { // of forward_auth, which deletes each of its headers before it sets it
		directive, ops = "copy_headers", &headers.HeaderOps{Set: ops.Set}
	}
	look := func(how, field string, values []string) {
		w.warn(place, headerFault(directive, how, http.CanonicalHeaderKey(field), values, w.xff))
	}
	for _, field := range slices.Sorted(maps.Keys(ops.Set)) {
		look("set", field, ops.Set[field])
	}
	for _, field := range slices.Sorted(maps.Keys(ops.Add)) {
		look("add", field, nil)
	}
	for _, field := range ops.Delete {
		look("delete", field, nil)
	}
	for _, field := range slices.Sorted(maps.Keys(ops.Replace)) {
		look("replace", field, nil)
	}
}

func (w *walker) warn(place, message string) {
	if message != "" {
		w.undone = append(w.undone, Warning{File: place, Message: message})
	}
}
