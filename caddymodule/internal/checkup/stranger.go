package checkup

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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
		Name string
		Anon bool
		block
		Blocks []block `json:"blockcomponents"` // where several hold
	} `json:"userinfo"`
}

// block is one that holds for a request; 0 is none, or one without an entry of its own.
type block struct {
	ID int `json:"blockid"`
}

// blockedBy reports whether the sender's blocks have one of these among them.
func (v *visit) blockedBy(ids []int) bool {
	return slices.ContainsFunc(append(v.UserInfo.Blocks, v.UserInfo.block), func(b block) bool { return slices.Contains(ids, b.ID) })
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
	findings := []Finding{plain.masks(), w.trust(ctx, edge, plain.seen), w.networkBlocks(ctx, plain), plain.clocks(ctx, edge)}
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

// forgeries returns headers in which proxies name clients, those that the edge reads among them. There is one a request: what
// stands before the edge may refuse some.
func forgeries(own []string) (headers []http.Header) {
	names := append([]string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip"}, own...)
	for i, name := range names {
		names[i] = http.CanonicalHeaderKey(name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		value := forgedClient
		if name == "Forwarded" {
			value = "for=" + forgedClient
		}
		headers = append(headers, http.Header{name: {value}})
	}
	return headers
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

// trust tells whether trusted_proxies fits, by requests that forge who their client is.
func (w *Wiki) trust(ctx context.Context, edge Edge, plain Seen) Finding {
	switch {
	case !plain.Arrived:
		return Finding{checkTrusted, Untold, "the edge that was asked didn't see the request", "", "ask the admin API of the node that it came to (--address)"}
	case !plain.Trusted && plain.Forwarded:
		return Finding{checkTrusted, Error, "a proxy before the edge names its clients and isn't trusted: all who come through it have one mask", Caddyfile, TrustLine}
	}
	var untried []string
	for _, header := range forgeries(plain.ClientIPHeaders) {
		name := slices.Collect(maps.Keys(header))[0]
		forged, _ := w.visit(ctx, edge, header) // only what the edge saw counts
		switch {
		case forged == nil || !forged.seen.Arrived || forged.seen.Refused != "":
			untried = append(untried, name)
		case forged.seen.Mask != plain.Mask:
			return plain.believing(name)
		}
	}
	switch {
	case plain.Trusted && !plain.Named:
		return Finding{checkTrusted, Untold, "the request came from one of trusted_proxies, and nothing named its client. If that isn't this machine, all who come through it have one mask", "",
			"run this on a machine that the edge doesn't trust, with --address; or have the proxy name clients in one of client_ip_headers"}
	case len(untried) > 0:
		return Finding{checkTrusted, Untold, "requests with a forged " + strings.Join(untried, ", ") + " didn't come through to this edge", "",
			"run this on a machine that may be before the edge itself, with --wiki https://EDGE/… --wiki-host"}
	case plain.Private:
		return Finding{checkTrusted, Untold, "the request came from a private address. If it isn't this machine's, something before the edge hides its clients, and all have one mask", "",
			"run this where readers are, with --address; or put what is before the edge into trusted_proxies"}
	}
	return Finding{Check: checkTrusted, Level: OK, What: "forged headers change nothing"}
}

// TrustLine says in a Caddyfile whom the edge believes about clients.
const TrustLine = "servers { trusted_proxies static ADDRESSES_OF_THE_PROXY; trusted_proxies_strict } (an option a line)"

// believing tells of an edge that a header led to another client.
func (plain Seen) believing(header string) Finding {
	switch {
	case plain.Named && plain.Trusted:
		return Finding{checkTrusted, Error, "a client chooses its own mask: what it writes into " + header + " is believed, since the proxy before the edge hands it on", Caddyfile, TrustLine}
	case plain.Trusted:
		return Finding{checkTrusted, Untold, "this machine is one of trusted_proxies, so what it says of clients is believed", "", "run this on a machine that the edge doesn't trust, with --address, or narrow trusted_proxies down"}
	}
	return Finding{checkTrusted, Error, "a client chooses its own mask: the edge believes a forged " + header, Caddyfile, TrustLine}
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
	var found struct {
		Blocks []struct{ ID int }
	}
	err := w.query(ctx, nil, &found, "list", "blocks", "bkusers", strings.Join(v.seen.Networks, "|"), "bkprop", "id")
	var ids []int
	for _, b := range found.Blocks {
		ids = append(ids, b.ID)
	}
	switch {
	case err == nil && len(ids) > 0 && !v.blockedBy(ids):
		return Finding{checkBlocks, Error, "the mask of a network that this machine is in is blocked, and this machine isn't", LocalSettings, setting}
	case err == nil && len(ids) > 0:
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
