package exempt

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// benchSite is a site whose reader let n tools through, and a request of that reader's.
func benchSite(b *testing.B, n int) (*scene, *http.Request) {
	s := newScene(b)
	s.declared = nil
	var g grants
	for i := range max(n, 1) {
		s.declared = append(s.declared, images(fmt.Sprint("tool-", i)))
	}
	entries := make(map[string]noticeboard.Entry)
	for _, tool := range s.declared {
		entries[tool.Name] = entryOf(tool)
	}
	s.config.Declared = func(name string) (noticeboard.Entry, error) { return entries[name], nil }
	s.renew()
	reader := s.browser()
	reader.get(wiki + GoPath + "?tool=tool-0")
	r := reader.request("GET", wiki+"/wiki/Page", "")
	browser, err := s.config.Flow.Browser(r)
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if g, err = s.site.added(g, s.site.lookup(fmt.Sprint("tool-", i))); err != nil {
			b.Fatal(err)
		}
	}
	value := s.seal(browser.ID(), g)
	r.Header.Set("Cookie", "wikiUserID=1; wiki_session=0123456789abcdef; "+confirm.BrowserCookie+"="+reader.jar[confirm.BrowserCookie]+"; "+GrantsCookie+"="+value)
	return s, r
}

// BenchmarkRequest is what each request costs: that of most readers, of one who
// let tools through, and of an image.
func BenchmarkRequest(b *testing.B) {
	for _, n := range []int{1, 3, maxGrants} {
		s, r := benchSite(b, n)
		run := func(name string, r *http.Request, want int) {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					tools, err := s.site.Tools(r)
					if err != nil || len(tools) != want {
						b.Fatal(len(tools), err)
					}
					if _, err := s.policies.For(tools); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run(fmt.Sprintf("grants=%d", n), r, n)
		if n == 1 {
			none := r.Clone(b.Context())
			none.Header.Set("Cookie", "wikiUserID=1; wiki_session=0123456789abcdef")
			run("grants=0", none, 0)
			image := r.Clone(b.Context())
			image.Header.Set("Sec-Fetch-Mode", "no-cors")
			run("image", image, 0)
		}
	}
}

// BenchmarkWiden is a set of tools that is not in the cache.
func BenchmarkWiden(b *testing.B) {
	s, r := benchSite(b, 3)
	tools, err := s.site.Tools(r)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.policies.widen(tools); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStripCookies(b *testing.B) {
	for name, line := range map[string]string{
		"none": "wikiUserID=1; wiki_session=0123456789abcdef; VEE=wikitext",
		"ours": "wikiUserID=1; wiki_session=0123456789abcdef; " + confirm.BrowserCookie + "=x; " + GrantsCookie + "=y",
	} {
		b.Run(name, func(b *testing.B) {
			lines := []string{line}
			h := http.Header{}
			b.ReportAllocs()
			for b.Loop() {
				h["Cookie"] = lines
				StripCookies(h)
			}
		})
	}
}
