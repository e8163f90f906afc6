package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// A hundred reloads under load, with two sites that share one app: no request fails, masks
// stay, counters go on, and nothing is left behind.
func TestReloadsUnderLoad(t *testing.T) {
	testutil.Slow(t)
	const reloads = 100
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, ignore,
			// Caddy keeps these for good: one for each log file, one for certificates.
			goleak.IgnoreTopFunction("github.com/DeRuina/timberjack.(*Logger).millRun"),
			goleak.IgnoreTopFunction("github.com/caddyserver/certmagic.(*Cache).maintainAssets"),
			// Ends a few seconds after its lock.
			goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		)
	})

	wiki := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Client-Mask")) })
	e := edgetest.Place(t)
	e.Log = e.Dir + "/edge.log"
	site := func(host, label string) string {
		return `
		http://` + host + `:{PORT} {
			log {
				output file {DIR}/` + host + `.log
				format masked json
			}
			client_mask {
				networks xff
				site ` + label + `
			}
			csp {
				reports
				rollout enforce
			}
			anonproxy
			reverse_proxy ` + wiki.Address() + ` {
				transport http {
					keepalive off # else Caddy keeps a config's idle connections for two minutes after it
				}
			}
			handle_errors {
				reverse_proxy ` + wiki.Address() + `
			}
		}`
	}
	config := func(n int) string {
		return fmt.Sprintf(`{
			{GLOBAL}
			metrics
			wikiveil {
				rotate %dd
				keep 1
				data_dir {DIR}/data
				tool maps https://maps.example
				tools_file {DIR}/tools.json
			}
		}`, 90+n%2) + site("a.test", "a") + site("b.test", "b")
	}
	edgetest.WriteTools(t, e.Dir, `{"name": "more", "wikiveil": {"origin": "https://more.example.org"}}`)
	e.Load(t, config(0))
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		e.Load(t, "{\nadmin off\n}") // Stop leaves the admin endpoint open
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})

	try := func(client *http.Client, host string) (*http.Response, error) {
		r, err := http.NewRequest("GET", "http://"+e.Site+"/", nil)
		if err != nil {
			return nil, err
		}
		r.Host = host
		return client.Do(r)
	}
	ask := func(client *http.Client, host string) (string, error) {
		resp, err := try(client, host)
		// Each config of Caddy has a listening socket of its own, and connections that wait in
		// the old one's queue are closed with it. A client sends a safe request again
		// then (RFC 9110, section 9.2.2), as browsers and proxies do.
		for tries := 1; err != nil && tries < 5; tries++ {
			resp, err = try(client, host)
		}
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && (resp.StatusCode != 200 || resp.Header.Get("Content-Security-Policy") == "") {
			err = fmt.Errorf("status %d, policy %q", resp.StatusCode, resp.Header.Get("Content-Security-Policy"))
		}
		return string(body), err
	}
	var requests atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i, host := range []string{"a.test", "b.test", "a.test", "b.test"} {
		client := edgetest.From(t, fmt.Sprintf("127.61.2.%d", i+1))
		first, err := ask(client, host)
		if err != nil || !strings.HasPrefix(first, "2001:2f:") {
			t.Fatalf("%s: %q, %v", host, first, err)
		}
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mask, err := ask(client, host)
				if err != nil || mask != first {
					t.Errorf("%s: mask %q, want %q, %v", host, mask, first, err)
					return
				}
				requests.Add(1)
			}
		})
	}
	var goroutines int
	for n := range reloads {
		before := requests.Load()
		e.Load(t, config(n+1))
		for requests.Load() == before && !t.Failed() { // there is load in each
			time.Sleep(time.Millisecond)
		}
		if n == reloads/10 {
			goroutines = runtime.NumGoroutine()
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d requests over %d reloads", requests.Load(), reloads)
	testutil.Eventually(t, "flat goroutines", func() bool { return runtime.NumGoroutine() <= goroutines+10 })

	_, metrics := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+"/metrics", nil)
	want := fmt.Sprintf(`wikiveil_masked_requests_total{mode="mask"} %d`, requests.Load()+4)
	if !strings.Contains(metrics, want) {
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, "wikiveil_") {
				t.Log(line)
			}
		}
		t.Errorf("the metrics lack %s: counters must go on over reloads", want)
	}
}
