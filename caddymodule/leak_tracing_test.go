package caddymodule

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Caddy's tracing tells a collector each request's peer, client and headers: those of the mask.
func TestLeakByTracing(t *testing.T) {
	var sent []byte
	spans := make(chan []byte, 100)
	collector := newApp(t, func(w http.ResponseWriter, r *http.Request) {
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
	e := newEdge(t, `{
		{GLOBAL}
		servers {
			trusted_proxies static `+leakRange+`
		}
		wikiveil {
			secret `+testSecret+`
		}
	}
	http://{SITE} {
		client_mask
		tracing
		reverse_proxy `+a.address()+`
	}`)
	for _, c := range leakClients() {
		sendBytes(t, c.source, e.site, leakForm{head: "X-Real-IP: {ip}\nUser-Agent: x ({ip})\nBaggage: ip={ip}"}.request(c, e.site, "/", ""))
	}
	eventually(t, "the spans", func() bool {
		for len(spans) > 0 {
			sent = append(sent, <-spans...)
		}
		for _, c := range leakClients() {
			if !strings.Contains(string(sent), clientMask(t, c.addr.String())) {
				return false
			}
		}
		return true
	})
	wantNone(t, "the collector", sent, leakAddrs()...)
	wantNone(t, "the app", a.rec.taken(), leakAddrs()...)
	e.searchTraces(t, leakAddrs()...)
}
