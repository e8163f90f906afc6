package tools

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/defaultlog"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("anonproxy", defaultlog.Masked(parseAnonProxy))
}

// parseAnonProxy parses the directive.
func parseAnonProxy(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(AnonProxy)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	configcheck.Consents(h)
	return handler, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens.
func (h *AnonProxy) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	return h.options().Parse(d)
}

func init() { options.Document(new(AnonProxy).options()) }

func (h *AnonProxy) options() options.Block {
	return options.Block{Name: "anonproxy", Check: h.validate, Options: []options.Option{
		{Name: "path", Args: "<prefix>", Set: options.Text(&h.Path), Doc: "Where the tools are. Default: `" + noticeboard.DefaultPrefix + "`."},
		{Name: "canary", Args: "off | [every <duration>] [report_only]", Doc: "The self-check of what tools get. Default: `every 1h`.",
			Set: func(d *caddyfile.Dispenser) (err error) {
				h.Canary, err = parseCanary(d)
				return err
			}},
		{Name: "user_agent_contact", Args: "<address>", Set: options.Text(&h.UserAgentContact), Doc: "Whom tools' owners can reach."},
		{Name: "max_size", Args: "<size>", Set: options.Size(&h.MaxSize), Doc: "The largest answer. Default: 32MiB."},
		{Name: "max_request_size", Args: "<size>", Set: options.Size(&h.MaxRequestSize), Doc: "The largest body of a POST. Default: 64KiB."},
		{Name: "leak_guard_ignore", Args: "<cookie>...", Set: options.List(&h.LeakGuardIgnore), Doc: "Cookies whose values requests to tools may hold."},
		{Name: "timeout", Args: "<duration>", Set: options.Duration(&h.Timeout), Doc: "How long a whole request may take. Default: 1m."},
		{Name: "header_timeout", Args: "<duration>", Set: options.Duration(&h.HeaderTimeout), Doc: "How long to wait for the answer's header. Default: 15s."},
		{Name: "idle_timeout", Args: "<duration>", Set: options.Duration(&h.IdleTimeout), Doc: "How long to wait for each further piece. Default: 20s."},
		{Name: "require_fetch_metadata", Set: options.Flag(&h.RequireFetchMetadata), Doc: "Refuse requests without Sec-Fetch headers over plain HTTP too."},
		{Name: "client_limit", Args: "<number>/<duration>", Set: options.Value(&h.ClientLimit, noticeboard.ParseRate),
			Doc: "How often one client may ask one tool. Default: `600/1m`."},
		{Name: "limit", Args: "<number>/<duration>", Set: options.Value(&h.Limit, noticeboard.ParseRate),
			Doc: "How often all clients together may. Default: `6000/1m`."},
		{Name: "concurrent", Args: "<number>", Set: options.Count(&h.Concurrent), Doc: "How many requests one tool gets at one time. Default: 256."},
		{Name: "no_notice", Set: options.Flag(&h.NoNotice), Doc: "No script that tells readers of a wiki page where a tool was stopped, `/.tools/notice.js`."},
		{Name: "withdraw", Args: "<path or address>", Set: options.Text(&h.Withdraw), Doc: "Where readers withdraw their consent."},
	}}
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*AnonProxy)(nil)
)
