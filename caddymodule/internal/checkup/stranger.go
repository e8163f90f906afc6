package checkup

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

// The names of the checks by a stranger's requests.
const (
	checkWiki    = "wiki"
	checkMasks   = "masks"
	checkBlocks  = "network blocks"
	checkWide    = "wide blocks"
	checkTrusted = "trusted proxies"
	checkAround  = "around the edge"
	checkLogin   = "login"
	checkClocks  = "clocks"
)

// forgedClient is an address for documentation (RFC 5737): nobody's.
const forgedClient = "198.51.100.77"

// maxClockGap is how far the wiki's clock may be from the edge's.
const maxClockGap = 30 * time.Second

// Edge is the running edge, as its admin API tells of it.
type Edge interface {
	// Expect has it look out for a request that bears the token in [Header].
	Expect(ctx context.Context) (token string, err error)
	// Seen tells what it made of that request.
	Seen(ctx context.Context, token string) (Seen, error)
	// Now is its clock.
	Now(ctx context.Context) (time.Time, error)
}

// visit is one request to the wiki, as the wiki and as the edge saw it.
type visit struct {
	seen    Seen
	asked   time.Duration // how long it took
	General struct {
		Time string
		// Wikiveil is what the companion tells of its wiki.
		Wikiveil *companionTells `json:"wikiveil"`
	} `json:"general"`
	Extensions []struct{ Name string } `json:"extensions"`
	UserInfo   struct {
		Name      string
		Anon      bool
		BlockedBy string `json:"blockedby"`
	} `json:"userinfo"`
}

type companionTells struct {
	// ApplyIPBlocksToXFF is MediaWiki's setting of that name.
	ApplyIPBlocksToXFF bool `json:"applyipblockstoxff"`
}

// companion is the name of contrib/mediawiki's extension.
const companion = "Wikiveil"

func (v *visit) has(extensions ...string) (found string) {
	for _, e := range v.Extensions {
		if slices.Contains(extensions, e.Name) {
			return e.Name
		}
	}
	return ""
}

// Ask visits the wiki as a stranger and tells what that shows. An error is why it can't.
func (w *Wiki) Ask(ctx context.Context, edge Edge) ([]Finding, error) {
	plain, err := w.visit(ctx, edge, nil)
	if refusedWith(err, "readapidenied") {
		return []Finding{{checkWiki, Untold, "only who is logged in may read this wiki", "", "for the time of the check, $wgGroupPermissions['*']['read'] = true;"}}, nil
	}
	if err != nil {
		return nil, err
	}
	forged, err := w.visit(ctx, edge, forgedHeaders())
	if err != nil {
		return nil, fmt.Errorf("with forged headers: %w", err)
	}
	findings := []Finding{plain.masks(), trust(plain.seen, forged.seen), w.networkBlocks(ctx, plain), plain.clocks(ctx, edge)}
	findings = append(findings, w.wideBlocks(ctx, plain)...)
	return append(findings, w.login(ctx, plain)), nil
}

// visit asks the wiki what it is and whom it takes the sender for.
func (w *Wiki) visit(ctx context.Context, edge Edge, header http.Header) (*visit, error) {
	token, err := edge.Expect(ctx)
	if err != nil {
		return nil, err
	}
	if header == nil {
		header = make(http.Header)
	}
	header.Set(Header, token)
	v, start := new(visit), time.Now()
	failure := w.query(ctx, header, v, "meta", "siteinfo|userinfo", "siprop", "general|extensions", "uiprop", "blockinfo")
	v.asked = time.Since(start)
	if v.seen, err = edge.Seen(ctx, token); err != nil {
		return nil, err
	}
	if failure != nil && v.seen.Refused != "" {
		failure = fmt.Errorf("the edge refuses its requests: %s", v.seen.Refused)
	}
	return v, failure
}

// forgedHeaders are those in which proxies name clients.
func forgedHeaders() http.Header {
	header := http.Header{"Forwarded": {"for=" + forgedClient}}
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip"} {
		header.Set(name, forgedClient)
	}
	return header
}

// masks tells whether the wiki sees the mask that the edge gave.
func (v *visit) masks() Finding {
	name, err := netip.ParseAddr(v.UserInfo.Name)
	switch {
	case err != nil || !v.UserInfo.Anon:
		return Finding{checkMasks, Untold, "the wiki doesn't call those without an account by what it takes for their address", "", "look at the history of a page that you edit without an account"}
	case v.seen.Arrived && v.seen.Mode == "observe":
		return Finding{checkMasks, Warning, "the wiki sees addresses: client_mask only observes", Caddyfile, "client_mask { mode mask }"}
	case masking.Is(name) && v.seen.Arrived && name.String() != v.seen.Mask:
		return Finding{checkMasks, Error, "the wiki sees a mask, but another than the edge gave this client: it believes what somebody else says", LocalSettings,
			"$wgCdnServersNoPurge with nothing but the edge's address"}
	case masking.Is(name) && v.seen.Arrived:
		return Finding{Check: checkMasks, Level: OK, What: "the wiki sees the mask that the edge gives"}
	case masking.Is(name):
		return Finding{checkMasks, Untold, "the wiki sees a mask, but the edge that was asked didn't see the request: another one gave it", "", "ask the admin API of each node (--address), with --wiki and --wiki-host leading to the same"}
	case !v.seen.Arrived:
		return Finding{checkMasks, Error, "the wiki sees an address: the request didn't come by a client_mask of this edge", Caddyfile, "client_mask, at the top of the wiki's site"}
	case name.Zone() == "" && (name.IsLoopback() || name.IsPrivate()):
		return Finding{checkMasks, Error, "the wiki takes all readers for one, the server before it: it doesn't take the mask out of X-Forwarded-For", LocalSettings,
			"$wgCdnServersNoPurge = [ '" + name.String() + "' ];"}
	}
	return Finding{checkMasks, Error, "the wiki sees an address that is no mask, though the request came through client_mask: something between them says another client, or the wiki is told by a header that the edge doesn't know",
		LocalSettings, "$wgCdnServersNoPurge with nothing but the edge's address, and no code that sets $_SERVER['REMOTE_ADDR']"}
}

// trust tells whether trusted_proxies fits, by a request that forged who its client is.
func trust(plain, forged Seen) Finding {
	const line = "servers { trusted_proxies static ADDRESSES_OF_THE_PROXY; trusted_proxies_strict } (an option a line)"
	switch {
	case !plain.Arrived || !forged.Arrived:
		return Finding{checkTrusted, Untold, "the edge that was asked didn't see the requests", "", "ask the admin API of the node that they come to (--address)"}
	case !plain.Trusted && plain.Forwarded:
		return Finding{checkTrusted, Error, "a proxy before the edge names its clients and isn't trusted: all who come through it have one mask", Caddyfile, line}
	case forged.Mask != plain.Mask && plain.Named && plain.Trusted:
		return Finding{checkTrusted, Error, "a client chooses its own mask: what it writes into X-Forwarded-For is believed, since the proxy before the edge hands it on", Caddyfile, line}
	case forged.Mask != plain.Mask && plain.Trusted:
		return Finding{checkTrusted, Untold, "this machine is one of trusted_proxies, so what it says of clients is believed", "", "run this on a machine that the edge doesn't trust, with --address, or narrow trusted_proxies down"}
	case forged.Mask != plain.Mask:
		return Finding{checkTrusted, Error, "a client chooses its own mask: the edge believes a header that it forged", Caddyfile, line}
	}
	return Finding{Check: checkTrusted, Level: OK, What: "forged headers change nothing"}
}

// networkBlocks tells whether a block of a network's mask holds.
func (w *Wiki) networkBlocks(ctx context.Context, v *visit) Finding {
	const setting = "$wgApplyIpBlocksToXff = true;"
	switch told := v.General.Wikiveil; {
	case v.seen.Arrived && v.seen.NetworksMode != "xff":
		return Finding{checkBlocks, Warning, "MediaWiki isn't given the masks of networks, so no block of one holds", Caddyfile, "client_mask { networks xff }"}
	case told != nil && told.ApplyIPBlocksToXFF:
		return Finding{Check: checkBlocks, Level: OK, What: "the wiki applies blocks of network masks"}
	case told != nil:
		return Finding{checkBlocks, Error, "blocks of network masks don't hold", LocalSettings, setting}
	case len(v.seen.Networks) == 0:
		return Finding{checkBlocks, Untold, "MediaWiki doesn't say whether it applies blocks of network masks, but to the companion", LocalSettings, "make sure that it has " + setting}
	}
	var blocks struct {
		Blocks []struct{ ID int }
	}
	err := w.query(ctx, nil, &blocks, "list", "blocks", "bkusers", strings.Join(v.seen.Networks, "|"), "bkprop", "id")
	switch {
	case err == nil && len(blocks.Blocks) > 0 && v.UserInfo.BlockedBy == "":
		return Finding{checkBlocks, Error, "the mask of a network that this machine is in is blocked, and this machine isn't", LocalSettings, setting}
	case err == nil && len(blocks.Blocks) > 0:
		return Finding{Check: checkBlocks, Level: OK, What: "a block of the mask of this machine's network holds"}
	}
	return Finding{checkBlocks, Untold, "MediaWiki doesn't say whether it applies blocks of network masks, but to the companion", LocalSettings,
		"make sure that it has " + setting + " To try: block " + v.seen.Networks[0] + " for an hour, which is a network of this machine, and run this again"}
}

// wideBlocks tells whether the wiki would take a block that hits everybody. Looking up blocks of a range is bound by the same
// setting as making them, and leaves nothing behind.
func (w *Wiki) wideBlocks(ctx context.Context, v *visit) []Finding {
	const lines = "wfLoadExtension( 'Wikiveil' ); or $wgBlockCIDRLimit['IPv6'] = 64; $wgAbuseFilterRangeBlockSize['IPv6'] = 64;"
	accepted := func(prefix string) (bool, error) {
		var ignored struct{}
		err := w.query(ctx, nil, &ignored, "list", "blocks", "bkip", prefix, "bklimit", "1", "bkprop", "id")
		if refusedWith(err, "cidrtoobroad") {
			return false, nil
		}
		return true, err
	}
	all, err := accepted("2001:2f::/32") // all clients' masks
	some, errSome := accepted("2001:2f::/63")
	var findings []Finding
	switch loaded := v.has(companion) != ""; {
	case loaded:
		findings = append(findings, Finding{Check: checkWide, Level: OK, What: "the companion refuses blocks that hit everybody"})
	case err != nil || errSome != nil:
		findings = append(findings, Finding{checkWide, Untold, fmt.Sprintf("whether a block can hit everybody: %v", cmp.Or(err, errSome)), LocalSettings, "make sure that it has " + lines})
	case all:
		findings = append(findings, Finding{checkWide, Error, "one block can hit everybody: the wiki takes blocks of IPv6 ranges that all masks are in, such as MASK/32, and AbuseFilter makes them", LocalSettings, lines})
	case some:
		findings = append(findings, Finding{checkWide, Warning, "a block of a range can hit unrelated clients: the wiki takes ranges wider than /64", LocalSettings, lines})
	default:
		findings = append(findings, Finding{Check: checkWide, Level: OK, What: "the wiki refuses blocks that hit everybody"})
	}
	if v.has("GlobalBlocking") != "" && v.has(companion) == "" {
		findings = append(findings, Finding{checkWide, Untold, "GlobalBlocking doesn't say how wide a range it blocks", LocalSettings, "make sure that it has $wgGlobalBlockingCIDRLimit['IPv6'] = 64;"})
	}
	return findings
}

// clocks tells whether the wiki's clock and the edge's agree.
func (v *visit) clocks(ctx context.Context, edge Edge) Finding {
	wiki, err := time.Parse(time.RFC3339, v.General.Time)
	if err != nil {
		return Finding{checkClocks, Untold, "the wiki doesn't say what time it has", "", "compare its clock with the edge's"}
	}
	now, err := edge.Now(ctx)
	if err != nil {
		return Finding{checkClocks, Untold, "the edge doesn't say what time it has", "", "wikiveil clock show"}
	}
	if gap := now.Sub(wiki); gap > maxClockGap+v.asked || gap < -maxClockGap {
		return Finding{checkClocks, Error, fmt.Sprintf("the wiki's clock is %v from the edge's: edits and the records of who was seen don't fit together, nor do the ends of blocks",
			gap.Abs().Round(time.Second)), "", "set both by the network: timedatectl set-ntp true"}
	}
	return Finding{Check: checkClocks, Level: OK, What: "the wiki's clock and the edge's agree"}
}
