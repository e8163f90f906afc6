package edge

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
)

// parseAppOption parses the global option.
func parseAppOption(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next() // so that the error names the line
		return nil, d.Err("the wikiveil option is given twice; put everything in one block")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "wikiveil", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from Caddyfile tokens.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the option's name
	return a.options().Parse(d)
}

func init() { options.Document(new(App).options()) }

func (a *App) options() options.Block {
	return options.Block{Name: "wikiveil", Check: func() error { return a.validate(true) }, Options: []options.Option{
		{Name: "secret", Args: "<hex or placeholder> [<older>...]", Set: a.parseSecrets, Doc: "Secrets of the masks, in place of the key ring in storage."},
		{Name: "rotate", Args: "<duration>", Set: options.Duration(&a.Rotate), Doc: "How long an epoch lasts. Default: rotation by command only."},
		{Name: "keep", Args: "<epochs>", Set: options.Optional(&a.Keep, options.Int), Doc: "How many older epochs' masks still count in blocks. Default: 1."},
		{Name: "destroy_after", Args: "<duration>", Set: options.Duration(&a.DestroyAfter), Doc: "How long an older secret can be taken back before it is destroyed. Default: 7d."},
		{Name: "site", Args: "<label>", Set: options.Text(&a.Site), Doc: "Sites of one label share masks. Default: empty."},
		{Name: "language", Args: "<code>", Set: options.Filled(&a.Language), Doc: "The language of pages and messages where a browser asks for none that there is. Default: en."},
		{Name: "v6_prefix", Args: "48|56|64|128", Set: options.Int(&a.V6Prefix), Doc: "How many bits of an IPv6 address make its mask. Default: 64."},
		{Name: "ranges", Args: "v4|v6 <length>...", Repeats: true, Doc: "The ranges whose masks an app gets beside the client's. Default: 16 24, 32 48.",
			Set: options.Keyed(options.Option{Name: "v4", Set: lengths(&a.V4Ranges)}, options.Option{Name: "v6", Set: lengths(&a.V6Ranges)})},
		{Name: "salt", Args: "idle <duration>", Doc: "Gives each client's mask a random salt, destroyed so long after its last edit. Default: none.",
			Set: func(d *caddyfile.Dispenser) error {
				a.Salt = new(SaltConfig)
				return options.Keyed(options.Option{Name: "idle", Set: options.Duration(&a.Salt.Idle)})(d)
			}},
		{Name: "network", Args: "<name> [<range>...]", Repeats: true, Doc: "A network by name, such as [`tor`](tor.md).",
			Block: func() options.Block {
				a.Networks = append(a.Networks, NetworkConfig{})
				return a.Networks[len(a.Networks)-1].options()
			}},
		{Name: "tool", Args: "<name> <origin>", Set: a.parseToolEntry, Repeats: true, Doc: "Declares a tool on the noticeboard."},
		{Name: "tools_file", Args: "<path>", Set: options.Text(&a.ToolsFile), Doc: "A followed file of more tools."},
		{Name: "tools_cache", Args: "[off]", Doc: "The cache of tools' answers.",
			Block: func() options.Block {
				a.ToolsCache = new(ToolsCacheConfig)
				return a.ToolsCache.options()
			}},
		{Name: "mirror_dir", Args: "<path>", Set: options.Text(&a.MirrorDir), Doc: "Where mirrored files are kept. Default: `mirrors` in `data_dir`."},
		{Name: "data_dir", Args: "<path>", Set: options.Text(&a.DataDir), Doc: "Where the edge's own files are. Default: Caddy's data directory."},
		{Name: "sightings", Doc: "Records by which masks can be looked up.",
			Block: func() options.Block {
				a.Sightings = new(SightingsConfig)
				return a.Sightings.options()
			}},
		{Name: "audit", Doc: "The log of look-ups.",
			Block: func() options.Block {
				a.Audit = new(AuditConfig)
				return a.Audit.options()
			}},
		{Name: "quota", Args: "info|reveal <number>", Repeats: true, Doc: "How many look-ups a user has a day. Default: 100, 20.",
			Set: options.Keyed(a.quota("info", func(q *QuotaConfig) *int { return &q.Info }), a.quota("reveal", func(q *QuotaConfig) *int { return &q.Reveal }))},
	}}
}

func (a *App) parseSecrets(d *caddyfile.Dispenser) error {
	if err := options.List(&a.Secrets)(d); err != nil {
		return err
	}
	for _, text := range a.Secrets {
		if _, _, err := resolveSecret(text); err != nil {
			return d.WrapErr(err)
		}
		if !strings.Contains(text, "{") {
			configcheck.WarnAt(d, "a secret stands in the config itself, where many can read it; use {env.*} or {file.*}")
		}
	}
	return nil
}

// lengths reads lengths of prefixes.
func lengths(to *[]int) options.Setter {
	return func(d *caddyfile.Dispenser) error {
		var texts []string
		if err := options.List(&texts)(d); err != nil {
			return err
		}
		for _, text := range texts {
			n, err := strconv.Atoi(strings.TrimPrefix(text, "/"))
			if err != nil {
				return d.Errf("parsing ranges: %q is not a prefix length", text)
			}
			*to = append(*to, n)
		}
		return nil
	}
}

func (a *App) parseToolEntry(d *caddyfile.Dispenser) error {
	tool, err := parseTool(d)
	if err != nil {
		return err
	}
	for _, other := range a.Tools {
		if other.Name == tool.Name {
			return d.Errf("tool %q is given twice", tool.Name)
		}
	}
	a.Tools = append(a.Tools, tool)
	return nil
}

func (a *App) quota(kind string, of func(*QuotaConfig) *int) options.Option {
	return options.Option{Name: kind, Set: func(d *caddyfile.Dispenser) error {
		if a.Quota == nil {
			a.Quota = new(QuotaConfig)
		}
		return options.Count(of(a.Quota))(d)
	}}
}

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

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*App)(nil)
)
