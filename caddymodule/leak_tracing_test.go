package caddymodule

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// Caddy's tracing tells a collector each request's peer, client and headers: those of the mask.
func TestLeakByTracing(t *testing.T) {
	var sent []byte
	spans := make(chan []byte, 100)
	collector := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		spans <- body
	})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	a := newLeakApp(t, wireH1, nil)
	e := edgetest.New(t, `{
		{GLOBAL}
		servers {
			trusted_proxies static `+leakRange+`
		}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		client_mask
		tracing
		reverse_proxy `+a.Address()+`
	}`)
	for _, c := range leakClients() {
		sendBytes(t, c.source, e.Site, leakForm{head: "X-Real-IP: {ip}\nUser-Agent: x ({ip})\nBaggage: ip={ip}"}.request(c, e.Site, "/", ""))
	}
	testutil.Eventually(t, "the spans", func() bool {
		for len(spans) > 0 {
			sent = append(sent, <-spans...)
		}
		for _, c := range leakClients() {
			if !strings.Contains(string(sent), edgetest.ClientMask(t, c.addr.String())) {
				return false
			}
		}
		return true
	})
	edgetest.WantNone(t, "the collector", sent, leakAddrs()...)
	edgetest.WantNone(t, "the app", a.rec.taken(), leakAddrs()...)
	e.SearchTraces(t, leakAddrs()...)
}
