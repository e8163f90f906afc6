package transport

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
)

// BenchmarkHTTP2 compares the transport with net/http's own HTTP/2, which has no
// constant order, by the same requests to the same server.
func BenchmarkHTTP2(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		server := httptest.NewUnstartedServer(tooltest.Answers("application/json", strings.Repeat("x", size)))
		server.EnableHTTP2 = true
		server.StartTLS()
		ours := New(toolAt(server.URL))
		roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		ours.HTTP.TLSClientConfig.RootCAs = roots
		plain := &http.Transport{
			ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: idleConnections, DisableCompression: true,
		}
		u, err := url.Parse(server.URL + "/some/path?query=1")
		if err != nil {
			b.Fatal(err)
		}
		for _, parallel := range []int{1, 64} {
			for _, transport := range []struct {
				name string
				http *http.Transport
			}{{"ordered", ours.HTTP}, {"net/http", plain}} {
				b.Run(fmt.Sprintf("%dKiB/parallel=%d/%s", size>>10, parallel, transport.name), func(b *testing.B) {
					r := &http.Request{Method: "GET", URL: u, Host: u.Host, Header: http.Header{"Accept": {"application/json"}, "Accept-Encoding": {"identity"}, "User-Agent": {"Wikiveil/1 (benchmark)"}}}
					b.ReportAllocs()
					b.SetParallelism(max(1, parallel/runtime.GOMAXPROCS(0)))
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							res, err := transport.http.RoundTrip(r)
							if err != nil {
								b.Error(err)
								return
							}
							n, err := io.Copy(io.Discard, res.Body)
							res.Body.Close()
							if n != int64(size) || err != nil || res.ProtoMajor != 2 {
								b.Errorf("%d bytes of %s, %v", n, res.Proto, err)
								return
							}
						}
					})
				})
			}
		}
		ours.Close()
		plain.CloseIdleConnections()
		server.Close()
	}
}

// BenchmarkHeaderOrder is one request through the filter alone.
func BenchmarkHeaderOrder(b *testing.B) {
	var o headerOrder
	o.init()
	frame := headersFrame(1, true, fieldsOf("b", "a"))
	out, err := o.appendFrames(nil, slices.Concat([]byte(preface), frame))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if out, err = o.appendFrames(out[:0], frame); err != nil || len(out) == 0 {
			b.Fatal(err)
		}
	}
}

// fieldsOf is a request with more fields, in this order.
func fieldsOf(names ...string) []hpack.HeaderField {
	fields := []hpack.HeaderField{{Name: ":authority", Value: "maps.example.org"}, {Name: ":method", Value: "GET"}, {Name: ":path", Value: "/x?y"}, {Name: ":scheme", Value: "https"}}
	for _, name := range names {
		fields = append(fields, hpack.HeaderField{Name: name, Value: "value of " + name})
	}
	return fields
}
