package mask

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/sessions"
)

// benchHandler is a handler as an edge with edgetest.Secret has it.
func benchHandler(b *testing.B, v4Ranges []int) *ClientMask {
	b.Helper()
	edgetest.New(b, "{\n{GLOBAL}\nwikiveil {\nsecret "+edgetest.Secret+"\n}\n}\nhttp://{SITE} {\nclient_mask\n}\n")
	h := &ClientMask{
		Mode: modeMask, Networks: networksXFF, app: edgetest.Handler[*ClientMask](b).app, logger: zap.NewNop(),
		config: masking.SiteConfig{V6Prefix: 64, V4Ranges: v4Ranges},
	}
	if _, err := h.masks(); err != nil {
		b.Fatal(err)
	}
	return h
}

// benchRequest is a browser's request that can be made anew without allocating.
type benchRequest struct {
	r    http.Request
	base http.Request
	vars map[string]any
	w    http.ResponseWriter
}

func newBenchRequest() *benchRequest {
	r := httptest.NewRequest("GET", "https://wiki.example/wiki/Main_Page", nil)
	r.TLS = nil
	r.RemoteAddr = "192.0.2.1:4711"
	for name, value := range map[string]string{
		"Accept":          "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Encoding": "gzip, deflate, br, zstd", "Accept-Language": "en-US,en;q=0.5",
		"Cookie":  "wiki_session=7v4c3mqu6hkq0cj7l5u7p3r1f8s2d9a0; wikiUserName=Example; mwuser-sessionId=0123456789abcdef",
		"Referer": "https://wiki.example/wiki/Special:RecentChanges", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate",
		"Sec-Fetch-Site": "same-origin", "Upgrade-Insecure-Requests": "1",
		"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
	} {
		r.Header.Set(name, value)
	}
	vars := map[string]any{caddyhttp.TrustedProxyVarKey: false}
	base := r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
	return &benchRequest{base: *base, vars: vars, w: httptest.NewRecorder()}
}

// from makes the request one of a client. boxed is the client's address.
func (b *benchRequest) from(boxed any) *http.Request {
	b.r = b.base
	for _, ours := range []string{headerMask, headerNetworkMasks, headerNetworkNames, "X-Forwarded-For"} {
		delete(b.r.Header, ours) // browsers send none
	}
	clear(b.vars)
	b.vars[caddyhttp.TrustedProxyVarKey] = false
	b.vars[caddyhttp.ClientIPVarKey] = boxed
	return &b.r
}

// benchAddrs are enough clients that none is remembered when its turn comes again.
func benchAddrs() []any {
	addrs := make([]any, 1<<19)
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range addrs {
		addrs[i] = addr.String()
		addr = addr.Next()
	}
	return addrs
}

func BenchmarkClientMask(b *testing.B) {
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	cold := benchAddrs()
	for _, bench := range []struct {
		name  string
		h     *ClientMask
		addrs []any
	}{
		{"1 HMAC", benchHandler(b, []int{}), cold},
		{"3 HMACs", benchHandler(b, masking.DefaultV4Ranges), cold},
		{"cached", benchHandler(b, masking.DefaultV4Ranges), cold[:100]},
	} {
		b.Run(bench.name+"/single", func(b *testing.B) {
			r, i := newBenchRequest(), 0
			b.ReportAllocs()
			for b.Loop() {
				if err := bench.h.ServeHTTP(r.w, r.from(bench.addrs[i%len(bench.addrs)]), next); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
		b.Run(bench.name+"/contended", func(b *testing.B) {
			var start atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r, i := newBenchRequest(), int(start.Add(7919))
				for pb.Next() {
					if err := bench.h.ServeHTTP(r.w, r.from(bench.addrs[i%len(bench.addrs)]), next); err != nil {
						b.Error(err)
					}
					i++
				}
			})
		})
	}
	// What of the above is the benchmark's own: making the request anew.
	b.Run("request alone/single", func(b *testing.B) {
		r := newBenchRequest()
		b.ReportAllocs()
		for b.Loop() {
			r.from(cold[0])
		}
	})
	// No HMAC and no look-up: an error route, which knows the client already.
	b.Run("0 HMACs/single", func(b *testing.B) {
		h, r := benchHandler(b, masking.DefaultV4Ranges), newBenchRequest()
		if err := h.ServeHTTP(r.w, r.from("10.0.0.1"), next); err != nil {
			b.Fatal(err)
		}
		before := reqstate.Known(&r.r)
		b.ReportAllocs()
		for b.Loop() {
			request := r.from("10.0.0.1")
			reqstate.VarsOf(request).Keep(before)
			if err := h.ServeHTTP(r.w, request, next); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRemembering decides how clients are remembered: by slots as clientCache does, or by an LRU.
func BenchmarkRemembering(b *testing.B) {
	h := benchHandler(b, masking.DefaultV4Ranges)
	masks, err := h.masks()
	if err != nil {
		b.Fatal(err)
	}
	addrs := make([]netip.Addr, 1000)
	slots := newClientCache()
	known, err := lru.New[netip.Addr, *reqstate.Client](clientSlots)
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range addrs {
		addrs[i] = addr
		c := new(reqstate.Client)
		if err := c.Init(masking.Who{Addr: addr}, 64, masks.site, nil); err != nil {
			b.Fatal(err)
		}
		slots.put(c)
		known.Add(addr, c)
		addr = addr.Next()
	}
	for _, bench := range []struct {
		name string
		get  func(netip.Addr)
	}{
		{"slots", func(a netip.Addr) { slots.get(a, "") }},
		{"LRU", func(a netip.Addr) { known.Get(a) }},
		{"made anew", func(a netip.Addr) {
			var c reqstate.Client
			if err := c.Init(masking.Who{Addr: a}, 64, masks.site, nil); err != nil {
				b.Error(err)
			}
		}},
	} {
		b.Run(bench.name+"/single", func(b *testing.B) {
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				bench.get(addrs[i%len(addrs)])
				i++
			}
		})
		b.Run(bench.name+"/contended", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				i := int(time.Now().UnixNano() % 1000)
				for pb.Next() {
					bench.get(addrs[i%len(addrs)])
					i++
				}
			})
		})
	}
}

// BenchmarkMaskKinds compares what a request of a known client costs by what its mask is made of: plain is what is shipped.
func BenchmarkMaskKinds(b *testing.B) {
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	addrs := benchAddrs()[:100]
	for _, kind := range []struct{ name, app, site string }{
		{"plain", "", ""}, {"networks", "network school 10.0.0.0/8\nnetwork tor 192.0.2.0/24", ""}, {"salts", "salt idle 30d", ""}, {"sessions", "", "mask_by session"},
	} {
		b.Run(kind.name, func(b *testing.B) {
			edgetest.New(b, "{\n{GLOBAL}\nservers {\ntrusted_proxies static 127.0.0.1/32\n}\nwikiveil {\nsecret "+edgetest.Secret+"\n"+kind.app+"\n}\n}\nhttp://{SITE} {\nclient_mask {\nnetworks xff\n"+
				kind.site+"\n}\n}\n")
			h := edgetest.Handler[*ClientMask](b)
			r, i := newBenchRequest(), 0
			if masks, err := h.masks(); err != nil {
				b.Fatal(err)
			} else if masks.sessions != nil {
				s := sessions.New(time.Now())
				s.Granted = true
				r.base.TLS = &tls.ConnectionState{HandshakeComplete: true}
				r.base.Header.Add("Cookie", sessionCookie+"="+masks.sessions.Seal(s))
			}
			cookies := r.base.Header["Cookie"]
			b.ReportAllocs()
			for b.Loop() {
				r.base.Header["Cookie"] = cookies
				if err := h.ServeHTTP(r.w, r.from(addrs[i%len(addrs)]), next); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
