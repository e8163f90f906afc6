package scrub

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// text is so many bytes of wikitext, with a signature in each paragraph.
func text(r *rand.Rand, size int) string {
	var b strings.Builder
	for b.Len() < size {
		for range 80 {
			b.WriteString([]string{"lorem ", "ipsum, ", "dolor. ", "''sit'' ", "[[Amet]] ", "2026-11-30 ", "10:11, ", "&lt;ref&gt; "}[r.IntN(8)])
		}
		fmt.Fprintf(&b, "--[[Special:Contributions/203.0.%d.%[2]d|203.0.%[1]d.%[2]d]]\n", r.IntN(256), r.IntN(256))
	}
	return b.String()
}

func benchmark(b *testing.B, in string, o Options) {
	o.Masker = testMasker
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Run(io.Discard, strings.NewReader(in), o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkXML(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var dump strings.Builder
	dump.WriteString(xmlHead)
	for dump.Len() < 64<<20 {
		fmt.Fprintf(&dump, "  <page>\n    <title>T%d</title>\n    <revision>\n      <contributor>\n        <ip>203.0.%d.%d</ip>\n      </contributor>\n      <text bytes=\"1\" sha1=\"x\" xml:space=\"preserve\">%s</text>\n      <sha1>x</sha1>\n    </revision>\n  </page>\n", dump.Len(), r.IntN(256), r.IntN(256), text(r, 4000))
	}
	dump.WriteString(xmlEnd)
	for _, mode := range []Mode{Contributors, Everywhere} {
		b.Run(string(mode), func(b *testing.B) { benchmark(b, dump.String(), Options{Mode: mode}) })
	}
}

func BenchmarkLog(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var log strings.Builder
	for log.Len() < 64<<20 {
		fmt.Fprintf(&log, "203.0.%d.%d - - [30/Nov/2026:10:11:%02d +0000] \"GET /w/index.php?title=Main_Page&oldid=%d HTTP/1.1\" 200 %d \"https://wiki.example/wiki/Foo\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\"\n", r.IntN(4), r.IntN(256), r.IntN(60), r.IntN(1<<20), r.IntN(1<<16))
	}
	for _, mode := range []Mode{Contributors, Everywhere} {
		b.Run(string(mode), func(b *testing.B) { benchmark(b, log.String(), Options{Mode: mode}) })
	}
}
