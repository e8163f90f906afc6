package blockimport_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/blockimport"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func newSite(t testing.TB) (*masking.Site, *masking.Masker) {
	t.Helper()
	ring, err := masking.ConfiguredRing([]byte(strings.Repeat("k", masking.MinSecretSize)))
	if err != nil {
		t.Fatal(err)
	}
	site, err := masking.NewSite(ring.Epochs(), masking.SiteConfig{V4Ranges: lengths.V4, V6Ranges: lengths.V6})
	if err != nil {
		t.Fatal(err)
	}
	return site, site.Masker()
}

var lengths = blockimport.Lengths{V4: []int{16, 24}, V6: []int{32, 48}}

// randomPrefix is near others, so that clients and blocks meet; wide ones are rare, so that not all meet.
func randomPrefix(r *rand.Rand) netip.Prefix {
	wide := r.IntN(500) == 0
	if r.IntN(2) == 0 {
		bits := []int{32, 32, 32, 32, 31, 30, 29, 28, 27, 26, 24}[r.IntN(11)]
		if wide {
			bits = []int{25, 23, 22, 20, 18, 16, 15, 13}[r.IntN(8)]
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.IntN(64)), byte(r.IntN(32)), byte(r.IntN(256))}), bits).Masked()
	}
	bits := []int{128, 128, 128, 64, 64, 63, 62, 60, 59}[r.IntN(9)]
	if wide {
		bits = []int{56, 48, 47, 44, 40}[r.IntN(5)]
	}
	b := [16]byte{0x20, 0x01, 0x0d, byte(0xb8 + r.IntN(2)), byte(r.IntN(64)), byte(r.IntN(16)), byte(r.IntN(2)), byte(r.IntN(256)), 15: byte(r.IntN(4))}
	return netip.PrefixFrom(netip.AddrFrom16(b), bits).Masked()
}

// randomClient is in a block, next to one, or anywhere.
func randomClient(r *rand.Rand, blocks []netip.Prefix) netip.Addr {
	if r.IntN(3) == 0 || len(blocks) == 0 {
		return randomPrefix(r).Addr()
	}
	b := blocks[r.IntN(len(blocks))].Addr().AsSlice()
	for range r.IntN(3) {
		i := 8 + r.IntN(56)
		b[min(i/8, len(b)-1)] ^= 1 << r.IntN(8)
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}

func name(p netip.Prefix) string {
	if p.IsSingleIP() {
		return wikiname.Spell(p.Addr())
	}
	return fmt.Sprintf("%s/%d", wikiname.Spell(p.Addr()), p.Bits())
}

// Issue 15: the blocks of masks stop exactly the clients that the blocks of addresses stopped; what they can't stop is listed.
func TestPlanStopsTheSameClients(t *testing.T) {
	site, masker := newSite(t)
	r := rand.New(rand.NewPCG(1, 2))
	var entries []blockimport.Entry
	for i := range 5000 {
		e := blockimport.Entry{User: name(randomPrefix(r)), Expiry: "infinity", Reason: "spam"}
		switch i % 50 {
		case 0:
			e.User = fmt.Sprintf("User %d", i)
		case 1:
			e = blockimport.Entry{Automatic: true, Expiry: "2026-12-01T00:00:00Z"}
		case 2:
			e.Expiry = "2026-11-29T00:00:00Z"
		}
		entries = append(entries, e)
	}
	// A thin list, in which most clients are free.
	for _, list := range [][]blockimport.Entry{entries, entries[:40], entries[40:100]} {
		plan, err := blockimport.Make(masker, lengths, list, now)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, r, site, plan, list)
		if len(plan.Blocks) == 0 || len(plan.Left) == 0 || plan.Accounts != len(list)/50+min(1, len(list)%50) && len(list) == 5000 {
			t.Errorf("%d entries: %d blocks, %d left, %d accounts", len(list), len(plan.Blocks), len(plan.Left), plan.Accounts)
		}
	}
}

func wantSame(t *testing.T, r *rand.Rand, site *masking.Site, plan *blockimport.Plan, list []blockimport.Entry) {
	t.Helper()
	left := map[string]bool{} // that nothing expresses
	for _, l := range plan.Left {
		if !strings.Contains(l.Why, "are blocked by another") {
			left[l.Target()] = true
		}
	}
	var before []netip.Prefix
	for _, e := range list {
		prefix, ok := wikiname.ParseRange(e.User)
		if addr, isAddr := wikiname.Parse(e.User); isAddr {
			prefix, ok = netip.PrefixFrom(addr, addr.BitLen()), true
		}
		if ok && e.Expiry == "infinity" && !left[e.User] {
			before = append(before, prefix)
		}
	}
	masks := map[netip.Addr]bool{}
	for _, b := range plan.Blocks {
		masks[b.Mask] = true
	}
	stopped := 0
	for range 3000 {
		client := randomClient(r, before)
		whole := netip.PrefixFrom(client, 32) // all that is the client
		if client.Is6() {
			whole = netip.PrefixFrom(client, 64)
		}
		was := slices.ContainsFunc(before, whole.Overlaps)
		all, err := site.Masks(masking.Who{Addr: client}, nil)
		if err != nil {
			t.Fatal(err)
		}
		is := masks[all.Client] || slices.ContainsFunc(all.Networks, func(m netip.Addr) bool { return masks[m] })
		if was != is {
			t.Fatalf("%s was stopped: %v, and is now: %v", client, was, is)
		}
		if is {
			stopped++
		}
	}
	if stopped == 0 || stopped == 3000 {
		t.Errorf("%d of 3000 clients are stopped: the test shows nothing", stopped)
	}
}

func TestPlan(t *testing.T) {
	_, masker := newSite(t)
	plan, err := blockimport.Make(masker, lengths, []blockimport.Entry{
		{User: "203.0.113.9", Expiry: "2027-01-31T00:00:00Z", Reason: "as 198.51.100.7", AnonOnly: true, NoCreate: true},
		{User: "2001:DB8:0:0:0:0:0:1", Expiry: "2027-01-31T00:00:00Z"},
		{User: "2001:DB8:0:0:0:0:0:2", Expiry: "infinity", NoEmail: true}, // the same client
		{User: "198.18.0.0/15", Expiry: "never"},
		{User: "10.0.0.0/19", Expiry: "infinity"},
		{User: "10.64.0.0/19", Expiry: "infinity"},
		{User: "10.64.0.0/18", Expiry: "infinity"},
		{Address: "192.0.2.0/24", Expiry: "infinity"},
		{User: "2001:2F:0:0:0:0:0:1", Expiry: "infinity"},
		{User: "Vandal", Expiry: "infinity"},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Blocks) != 5 || plan.Accounts != 1 {
		t.Fatalf("blocks: %+v, accounts: %d", plan.Blocks, plan.Accounts)
	}
	var left []string
	for _, l := range plan.Left {
		left = append(left, l.Target()+": "+l.Why)
	}
	for _, want := range []string{"10.0.0.0/19: the edge gives no masks", "10.64.0.0/18: the edge gives no masks for ranges of /18", "2001:2F:0:0:0:0:0:1: it blocks a mask", "2001:DB8:0:0:0:0:0:1: 1 of its 1 masks"} {
		if !slices.ContainsFunc(left, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("%q is not listed in %q", want, left)
		}
	}
	// One more length expresses all three: a /18 is two /19s.
	if !slices.Equal(plan.V4Ranges, []int{16, 19, 24}) || plan.Would != 3 {
		t.Errorf("proposes %v, which would express %d", plan.V4Ranges, plan.Would)
	}
	i := slices.IndexFunc(plan.Blocks, func(b blockimport.Block) bool { return b.User == "203.0.113.9" })
	seven, _ := masker.Client(netip.MustParseAddr("198.51.100.7"))
	form := plan.Blocks[i].Form("M", false)
	want := url.Values{"action": {"block"}, "user": {"M"}, "expiry": {"2027-01-31T00:00:00Z"}, "reason": {"as " + seven.String()}, "anononly": {"1"}, "nocreate": {"1"}}
	if form.Encode() != want.Encode() {
		t.Errorf("the request is %q, want %q", form.Encode(), want.Encode())
	}
}

func TestRead(t *testing.T) {
	entries, err := blockimport.Read(strings.NewReader(`{"query":{"blocks":[{"user":"203.0.113.9","expiry":"infinity","restrictions":[]}]}}
		[{"user":"203.0.113.10","partial":true,"restrictions":{"pages":[{"title":"A|B"}],"namespaces":[1,2]}}]
		{"batchcomplete":true,"query":{"globalblocks":[{"address":"203.0.113.11"}]}}`))
	if err != nil || len(entries) != 3 || entries[2].Target() != "203.0.113.11" {
		t.Fatalf("%+v, %v", entries, err)
	}
	form := blockimport.Block{Entry: entries[1]}.Form("M", false)
	if form.Get("pagerestrictions") != "\x1fA|B" || form.Get("namespacerestrictions") != "\x1f1\x1f2" || form.Get("partial") != "1" {
		t.Errorf("a partial block: %q", form)
	}
	for text, want := range map[string]string{"": "EOF", "{": "unexpected EOF", `{"error":{"code":"badtoken","info":"no"}}`: "badtoken", `{"blocks":[]}`: `no "query"`, `[1]`: "reading the list",
		`{"query":{"blocks":{"0":{}}}}`: "formatversion=2"} {
		if _, err := blockimport.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"query":{"blocks":[{"user":"203.0.113.0/20","expiry":"infinity"}]},"continue":{"bkcontinue":"x"}}`)
	f.Add(`[{"user":"2001:DB8:0:0:0:0:0:0/47","expiry":"2027-01-31T00:00:00Z","restrictions":[]}]`)
	_, masker := newSite(f)
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := blockimport.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		plan, err := blockimport.Make(masker, lengths, entries, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range plan.Blocks {
			if !masking.Is(b.Mask) {
				t.Errorf("%v is no mask", b.Mask)
			}
		}
	})
}
