package spelling

import (
	"net/netip"
	"strings"
	"testing"
)

// tenHeaders are those of a browser.
var tenHeaders = []string{
	"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "gzip, deflate, br, zstd", "en-US,en;q=0.5",
	"wiki_session=7v4c3mqu6hkq0cj7l5u7p3r1f8s2d9a0; wikiUserName=Example; mwuser-sessionId=0123456789abcdef",
	"https://wiki.example/wiki/Special:RecentChanges", "document", "navigate", "same-origin", "1",
	"Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
}

// BenchmarkMayHold is what ten headers cost that hold nothing: seen before, as nearly all are, and new.
func BenchmarkMayHold(b *testing.B) {
	for name, addr := range map[string]string{"IPv4": "198.51.100.7", "IPv6": "2001:db8:1:2::9"} {
		f := finderOf(netip.MustParseAddr(addr))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, value := range tenHeaders {
					if f.MayHold(value) {
						f.Finds(value)
					}
				}
			}
		})
		b.Run(name+"/worked out", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, value := range tenHeaders {
					s := scanners.Get().(*scanner)
					s.to = &f
					s.all(value)
					s.release()
				}
			}
		})
	}
	b.Run("NewFinder", func(b *testing.B) {
		client := netip.MustParsePrefix("198.51.100.7/32")
		b.ReportAllocs()
		for b.Loop() {
			f := NewFinder(client)
			_ = f.key
		}
	})
}

// BenchmarkHostile is the cost of what takes the most work.
func BenchmarkHostile(b *testing.B) {
	f := finderOf(netip.MustParseAddr("198.51.100.7"))
	for name, text := range map[string]string{
		"letters": strings.Repeat("abcdefgh ", 1700), "colons": strings.Repeat("1::,", 3800), "hex": strings.Repeat("0123456789abcdef", 1000),
		"dots": strings.Repeat("1.2.", 3800), "percent": strings.Repeat("%2525", 3000), "base64": strings.Repeat("TVRJM0xqRXhMakl5TGpNei", 700),
		"hits": strings.Repeat("198.51.100.7,", 1200), "backslashes": strings.Repeat(`\u0031`, 2500),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				f.Replace(text, "M")
			}
		})
	}
}
