package reqstate

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// User returns the user whom an authentication of Caddy's let in.
func User(r *http.Request) (id, name string) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return "", ""
	}
	id, _ = repl.GetString("http.auth.user.id")
	return id, id
}

// IsHTTPS reports whether the browser came over https, to us or to a proxy that we trust.
func IsHTTPS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	return VarsOf(r).Trusted() && r.Header.Get("X-Forwarded-Proto") == "https"
}

// OriginalPath is the path that was asked for, before a site's rewrites.
func OriginalPath(r *http.Request) string {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return original.URL.Path
	}
	return r.URL.Path
}

// WantsHTML tells people's browsers from programs, which need not say what they are.
func WantsHTML(r *http.Request) bool {
	switch r.URL.Query().Get("format") {
	case "json":
		return false
	case "html":
		return true
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// OwnPolicy gives the response of a handler of the edge a policy of its own, in place of the site's.
func OwnPolicy(w http.ResponseWriter, r *http.Request, policy string) {
	Of(r).AddRare().Policy = policy
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Del("Content-Security-Policy-Report-Only")
}
