package edge

import "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

// What is registered before the same directive runs in this order: nothing is to see a request
// before its mask is on, and every response is to have a policy, the proxy's too. The
// proxy comes before what rewrites paths, such as php_fastcgi's try_files.
func init() {
	httpcaddyfile.RegisterGlobalOption("wikiveil", parseAppOption)
	httpcaddyfile.RegisterDirective("wikiveil", func(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
		h.Next()
		return nil, h.Err("wikiveil is a global option: it belongs into the block without a name at the top of the Caddyfile; in a site, client_mask, csp and anonproxy use it")
	})
	for _, name := range []string{"client_mask", "third_party_consent", "csp"} { // before whatever could add to their responses
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "tracing")
	}
	httpcaddyfile.RegisterDirectiveOrder("anonproxy", httpcaddyfile.Before, "method")
	for _, name := range []string{"mask_info", "mask_reveal"} { // after whatever may authenticate a user
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "request_header")
	}
}

// DefaultMasksPath is where masks are looked up. Logs don't show what stands behind it.
const DefaultMasksPath = "/.privacy/masks/"
