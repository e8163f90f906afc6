package anonproxy

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	plain := newBackend(t, tooltest.Answers("application/json", "{}"))
	for _, tc := range []struct {
		name, origin, reason string
	}{
		{"nothing listens", "http://" + l.Addr().String(), "host can't be reached"},
		{"no TLS", strings.Replace(plain.URL, "http", "https", 1), "no proper answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEdge(t, Config{}, tool("maps", tc.origin))
			wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, tc.reason)
			if got := e.observed(t, 1); !slices.Equal(got, []string{"maps " + outcomes.Unreachable}) {
				t.Errorf("observed %q", got)
			}
		})
	}
	t.Run("no such name", func(t *testing.T) {
		e := newEdge(t, Config{Resolver: newNameServer(t).resolver()}, &noticeboard.Tool{Name: "maps", Origin: "https://maps.example.org"})
		wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, "name can't be resolved")
	})
}

func TestCertificates(t *testing.T) {
	var hits atomic.Int64
	b := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	b.Config.ErrorLog = log.New(io.Discard, "", 0)
	b.StartTLS()
	defer b.Close()
	e := newEdge(t, Config{}, tool("maps", b.URL))
	wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, "certificate isn't valid")
	if hits.Load() != 0 {
		t.Error("the tool was asked")
	}
}

func TestTransportKey(t *testing.T) {
	base := noticeboard.Tool{Name: "a", Origin: "https://a.example.org", Hosts: []string{"b.example.org"}}
	same, name, origin, hosts, loopback := base, base, base, base, base
	same.Purpose, same.MaxSize = "other", 7
	name.Name, origin.Origin, hosts.Hosts, loopback.AllowLoopback = "b", "https://c.example.org", nil, true
	if TransportKey(&same) != TransportKey(&base) {
		t.Error("connections would be dropped for nothing")
	}
	for _, other := range []*noticeboard.Tool{&name, &origin, &hosts, &loopback} {
		if TransportKey(other) == TransportKey(&base) {
			t.Errorf("%+v would share connections with %+v", other, base)
		}
	}
}
