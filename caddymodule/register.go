package caddymodule

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
	httpcaddyfile.RegisterDirective("client_mask", masksDefaultLog(parseClientMask))
	httpcaddyfile.RegisterDirectiveOrder("client_mask", httpcaddyfile.Before, "tracing")
	// Before whatever could add to its responses.
	httpcaddyfile.RegisterDirective("third_party_consent", masksDefaultLog(parseThirdPartyConsent))
	httpcaddyfile.RegisterDirectiveOrder("third_party_consent", httpcaddyfile.Before, "tracing")
	httpcaddyfile.RegisterDirectiveOrder("csp", httpcaddyfile.Before, "tracing")
	httpcaddyfile.RegisterDirectiveOrder("anonproxy", httpcaddyfile.Before, "method")
	// After whatever may authenticate a user.
	httpcaddyfile.RegisterHandlerDirective("mask_info", masksDefaultLog(parseMaskInfo))
	httpcaddyfile.RegisterDirectiveOrder("mask_info", httpcaddyfile.Before, "request_header")
	httpcaddyfile.RegisterHandlerDirective("mask_reveal", masksDefaultLog(parseMaskReveal))
	httpcaddyfile.RegisterDirectiveOrder("mask_reveal", httpcaddyfile.Before, "request_header")
}
