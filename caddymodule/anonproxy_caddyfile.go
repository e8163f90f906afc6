package caddymodule

import (
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("anonproxy", masksDefaultLog(parseAnonProxy))
}

// parseAnonProxy parses the directive. Syntax:
//
//	anonproxy [<matcher>] {
//	    path               <prefix>
//	    canary             off | [every <duration>] [report_only]
//	    user_agent_contact <address>
//	    max_size           <size>
//	    max_request_size   <size>
//	    leak_guard_ignore  <cookie>...
//	    timeout            <duration>
//	    header_timeout     <duration>
//	    idle_timeout       <duration>
//	    require_fetch_metadata
//	    client_limit       <number>/<duration>
//	    limit              <number>/<duration>
//	    concurrent         <number>
//	    withdraw           <path or address>
//	}
func parseAnonProxy(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(AnonProxy)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	configcheck.Consents(h)
	return handler, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens; see parseAnonProxy.
func (h *AnonProxy) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		if err := h.parseOption(d, option); err != nil {
			return err
		}
		if err := h.validate(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

func (h *AnonProxy) parseOption(d *caddyfile.Dispenser, option string) (err error) {
	switch option {
	case "path":
		h.Path, err = oneArg(d)
	case "canary":
		h.Canary, err = parseCanary(d)
	case "user_agent_contact":
		h.UserAgentContact, err = oneArg(d)
	case "max_size":
		h.MaxSize, err = oneSize(d)
	case "max_request_size":
		h.MaxRequestSize, err = oneSize(d)
	case "leak_guard_ignore":
		h.LeakGuardIgnore, err = someArgs(d)
	case "timeout":
		h.Timeout, err = oneDuration(d)
	case "header_timeout":
		h.HeaderTimeout, err = oneDuration(d)
	case "idle_timeout":
		h.IdleTimeout, err = oneDuration(d)
	case "require_fetch_metadata":
		h.RequireFetchMetadata = true
		if d.NextArg() {
			err = d.ArgErr()
		}
	case "client_limit":
		err = parseArg(d, h.ClientLimit.UnmarshalText)
	case "limit":
		err = parseArg(d, h.Limit.UnmarshalText)
	case "concurrent":
		h.Concurrent, err = oneCount(d)
	case "withdraw":
		h.Withdraw, err = oneArg(d)
	default:
		err = d.Errf("unknown anonproxy option %q (known: path, canary, user_agent_contact, max_size, max_request_size, leak_guard_ignore, timeout, "+
			"header_timeout, idle_timeout, require_fetch_metadata, client_limit, limit, concurrent, withdraw)", option)
	}
	return err
}

// oneSize returns the one argument of the option at hand as a number of bytes above 0.
func oneSize(d *caddyfile.Dispenser) (int64, error) {
	option := d.Val()
	text, err := oneArg(d)
	if err != nil {
		return 0, err
	}
	size, err := humanize.ParseBytes(text)
	if err != nil || size == 0 || size > 1<<62 {
		return 0, d.Errf("parsing %s: %q is not a size such as 32MiB", option, text)
	}
	return int64(size), nil
}

// oneCount returns the one argument of the option at hand as a number above 0.
func oneCount(d *caddyfile.Dispenser) (int, error) {
	option := d.Val()
	text, err := oneArg(d)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, d.Errf("parsing %s: %q is not a whole number above 0", option, text)
	}
	return n, nil
}

// oneDuration returns the one argument of the option at hand as a time span above 0.
func oneDuration(d *caddyfile.Dispenser) (caddy.Duration, error) {
	option := d.Val()
	text, err := oneArg(d)
	if err != nil {
		return 0, err
	}
	span, err := caddy.ParseDuration(text)
	if err != nil || span < time.Millisecond {
		return 0, d.Errf("parsing %s: %q is not a duration such as 30s", option, text)
	}
	return caddy.Duration(span), nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*AnonProxy)(nil)
)
