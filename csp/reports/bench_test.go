package reports

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// sink is a ResponseWriter that costs nothing.
type sink struct{ header http.Header }

func (s sink) Header() http.Header       { return s.header }
func (sink) Write(p []byte) (int, error) { return len(p), nil }
func (sink) WriteHeader(int)             {}

func benchHandler(b *testing.B, kind string, body func(i int) []byte, reports int) {
	c := collector(b, Config{Overall: unlimited, PerClient: unlimited, Client: func(*http.Request) string { return "2001:2f::1" }})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body(i)))
		r.Header.Set("Content-Type", kind)
		c.ServeHTTP(sink{make(http.Header)}, r)
		i++
	}
	b.ReportMetric(float64(b.N*reports)/b.Elapsed().Seconds(), "reports/s")
	if s := today(b, c); s.Accepted != uint64(i*reports) {
		b.Fatalf("%d accepted of %d", s.Accepted, i*reports)
	}
}

func BenchmarkHandler(b *testing.B) {
	for name, k := range map[string]struct {
		kind, file string
		reports    int
	}{
		"report-uri":          {"application/csp-report", "csp-report-uri-2.json", 1},
		"report-to, batch 11": {"application/reports+json", "csp-reports-batch.json", 11},
	} {
		b.Run(name, func(b *testing.B) {
			data := sample(b, k.file)
			benchHandler(b, k.kind, func(int) []byte { return data }, k.reports)
		})
	}
	b.Run("report-uri, new hosts", func(b *testing.B) {
		data := string(sample(b, "csp-report-uri-2.json"))
		benchHandler(b, "application/csp-report", func(i int) []byte {
			return []byte(strings.Replace(data, "127.0.0.2", fmt.Sprintf("h%d.example", i), 1))
		}, 1)
	})
}

func BenchmarkParse(b *testing.B) {
	data := sample(b, "csp-reports-batch.json")
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if got := (Parser{}).Parse(data, "Mozilla/5.0"); len(got.Reports) != 11 {
			b.Fatal(got)
		}
	}
}

// A flush of a day that is full of forged hosts.
func BenchmarkFlush(b *testing.B) {
	c := collector(b, Config{Overall: unlimited})
	for i := range 10 * DefaultGroups {
		post(c, violationOf(fmt.Sprintf("https://h%d.example", i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		post(c, violationOf("https://cdn.example"))
		if err := c.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPageView(b *testing.B) {
	c := collector(b, Config{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.PageView()
		}
	})
}
