package caddymodule

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"weak"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// descriptors counts the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// Case 51: a config that was replaced goes, though its connections to the app were kept alive: nothing holds its App, and its
// descriptors are closed.
func TestCase51OldConfigsGo(t *testing.T) {
	testutil.Slow(t)
	const reloads = 20
	wiki := edgetest.NewBackend(t, nil)
	site := func(host string) string {
		return `
		http://` + host + `:{PORT} {
			client_mask {
				networks xff
				site ` + host + `
			}
			csp {
				reports
				rollout enforce
			}
			anonproxy
			reverse_proxy ` + wiki.Address() + `
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
				data_dir {DIR}/data
				sightings
				tool maps https://maps%d.example
			}
		}`, n) + site("a.test") + site("b.test")
	}
	e := edgetest.New(t, config(0))
	client := edgetest.From(t, "127.51.0.1")
	var apps []weak.Pointer[edge.App]
	use := func() {
		t.Helper()
		app, err := caddy.ActiveContext().AppIfConfigured("wikiveil")
		if err != nil {
			t.Fatal(err)
		}
		apps = append(apps, weak.Make(app.(*edge.App)))
		for _, host := range []string{"a.test", "b.test"} {
			for _, method := range []string{"GET", "POST"} {
				if resp, body := edgetest.Send(t, client, method, "http://"+e.Site+"/", map[string][]string{"Host": {host}}); resp.StatusCode != 200 {
					t.Fatalf("%s %s: %d %s", method, host, resp.StatusCode, body)
				}
			}
		}
		client.CloseIdleConnections()
	}
	use()
	before := descriptors(t)
	for n := range reloads {
		e.Load(t, config(n+1))
		use()
	}
	alive := func() (n int) {
		runtime.GC()
		for _, app := range apps {
			if app.Value() != nil {
				n++
			}
		}
		return n
	}
	// The one in use, and what a late goroutine of Caddy's may hold of the one before.
	testutil.Eventually(t, "the old configs to go", func() bool { return alive() <= 2 })
	testutil.Eventually(t, "their descriptors to be closed", func() bool { return descriptors(t) <= before+4 })
}
