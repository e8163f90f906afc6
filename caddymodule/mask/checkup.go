package mask

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/caddyprivate"
	"github.com/wikiveil/wikiveil/caddymodule/internal/checkup"
	"github.com/wikiveil/wikiveil/caddymodule/internal/clientaddr"
	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

func init() {
	edge.AddCheck(checkLogsMasked)
	edge.AddCheck(checkSites)
	edge.AddCheck(checkTrust)
	edge.AddCheck(checkUpstreams)
}

// checkLogsMasked finds the logs that a config lets be raw; it couldn't run with others.
func checkLogsMasked(_ context.Context, _ *edge.App, config caddy.Context, _ *caddyhttp.App) (findings []checkup.Finding) {
	logs, err := caddyprivate.Logs(config)
	if err != nil {
		return []checkup.Finding{{Check: "logs", Level: checkup.Untold, What: err.Error(), Mend: "look into the logs for addresses"}}
	}
	for _, log := range logs {
		if caddyprivate.EncodedBy[*RawEncoder](log) && log.Core != "zapcore.nopCore" {
			findings = append(findings, checkup.Finding{Check: "logs", Level: checkup.Warning, What: "the log " + log.Name + " holds clients' addresses",
				File: checkup.Caddyfile, Mend: "log { format masked json } in the place of format raw; and delete what was written"})
		}
	}
	if findings == nil {
		findings = []checkup.Finding{{Check: "logs", Level: checkup.OK, What: "all logs of the config are masked"}}
	}
	return findings
}

// checkSites finds sites whose apps get addresses, and what undoes masks.
func checkSites(_ context.Context, app *edge.App, _ caddy.Context, servers *caddyhttp.App) (findings []checkup.Finding) {
	handlers := configcheck.Handlers(servers, "client_mask")
	observing := slices.ContainsFunc(handlers, func(config json.RawMessage) bool {
		var h struct{ Mode maskMode }
		return json.Unmarshal(config, &h) == nil && h.Mode == modeObserve
	})
	switch {
	case len(handlers) == 0:
		findings = append(findings, checkup.Finding{Check: "sites", Level: checkup.Error, What: "no site has client_mask: the wiki gets addresses", File: checkup.Caddyfile, Mend: "client_mask, at the top of the wiki's site"})
	case observing:
		findings = append(findings, checkup.Finding{Check: "sites", Level: checkup.Warning, What: "a client_mask only observes: its app gets addresses", File: checkup.Caddyfile, Mend: "client_mask { mode mask }"})
	}
	for _, warning := range app.Found().Undone {
		findings = append(findings, checkup.Finding{Check: "sites", Level: checkup.Warning, What: warning.Message, File: checkup.Caddyfile, Mend: "`wikiveil validate` names the line; in JSON it is " + warning.File})
	}
	if findings == nil {
		findings = []checkup.Finding{{Check: "sites", Level: checkup.OK, What: "nothing in the config undoes masks"}}
	}
	return findings
}

// checkTrust finds servers that believe what clients write of themselves.
func checkTrust(_ context.Context, app *edge.App, _ caddy.Context, _ *caddyhttp.App) (findings []checkup.Finding) {
	for _, warning := range app.Found().Trust {
		f := checkup.Finding{Check: "trusted proxies", Level: checkup.Warning, What: warning.Message, File: checkup.Caddyfile, Mend: checkup.TrustLine + "; in JSON it is " + warning.File}
		if warning.Message == configcheck.TrustedByAll {
			f.Level = checkup.Error
		}
		findings = append(findings, f)
	}
	return findings
}

// checkUpstreams finds apps that strangers may reach around the edge.
func checkUpstreams(ctx context.Context, _ *edge.App, _ caddy.Context, servers *caddyhttp.App) (findings []checkup.Finding) {
	if servers == nil {
		return nil
	}
	listeners := configcheck.Listeners(servers)
	for _, dial := range configcheck.Upstreams(servers) {
		if configcheck.UpstreamFault(dial) != "" {
			continue // checkSites tells
		}
		address, err := caddy.ParseNetworkAddress(caddy.NewReplacer().ReplaceAll(dial, ""))
		if err == nil && !address.IsUnixNetwork() {
			_, port, _ := net.SplitHostPort(address.JoinHostPort(0))
			findings = append(findings, checkup.Upstream(ctx, cmp.Or(address.Host, "127.0.0.1"), port, listeners))
		}
	}
	return findings
}

// meetProbe tells `wikiveil doctor` what came of its request.
func (h *ClientMask) meetProbe(r *http.Request, vars reqstate.Vars, request *maskedRequest, refused *refusal.Refusal) {
	h.app.Probes().Meet(r, func() checkup.Seen {
		seen := checkup.Seen{Mode: string(h.Mode), NetworksMode: string(h.Networks), Trusted: vars.Trusted(), Forwarded: forwards(r.Header), ClientIPHeaders: h.clientIPHeaders(r)}
		if refused != nil {
			seen.Refused = refused.Error()
			return seen
		}
		var addr netip.Addr
		addr, seen.Named, _ = clientaddr.Of(r, vars)
		seen.Private = !seen.Trusted && checkup.Private(addr)
		seen.Mask, seen.Networks = request.client.Mask, slices.Collect(request.client.NetworkMasks())
		return seen
	})
}

// forwards reports whether a header names a client, as proxies add one.
func forwards(headers http.Header) bool {
	for name := range headers {
		if carriesAddress(name) {
			return true
		}
	}
	return false
}
