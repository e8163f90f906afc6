package caddymodule

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// A config that is refused half-way, while it is provisioned or started, keeps nothing of what it had opened, and the one before goes on.
func TestRefusedReloadsKeepNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const site = `{
		{GLOBAL}
		wikiveil {
			data_dir {DIR}/data
			sightings
			tool maps https://maps.example.org
		}
	}
	http://{SITE} {
		client_mask
		csp {
			site wiki
			reports
			rollout 50%
			consent https://wiki.example https://wiki.example:8443
		}
		mask_info {
			user 1 info audit
		}
		anonproxy
		respond ok
	}
	`
	e := edgetest.New(t, site)
	held := func() []string { return slices.Sorted(slices.Values(pool.Left())) }
	before := held()
	unstartable := site + "http://" + taken.Addr().String() + " {\nclient_mask\nrespond bad\n}"
	for name, config := range map[string]string{
		"started half-way":            unstartable,
		"started with its own stores": strings.ReplaceAll(unstartable, "{DIR}/data", "{DIR}/other"),
		"provisioned half-way":        site + "http://127.0.0.9:1 {\nclient_mask\ncsp {\nsite wiki\nreports {\nkeep 24h\n}\n}\n}",
	} {
		if err := caddy.Load(edgetest.Adapt(t, e.Expand(config)), true); err == nil {
			t.Fatalf("%s: it was loaded", name)
		}
		testutil.Eventually(t, name+": the pools as before", func() bool { return slices.Equal(held(), before) })
		// A request that changes something is recorded before it goes on.
		client := edgetest.From(t, "127.0.0.2")
		resp, err := edgetest.OverReload(func() (*http.Response, error) { return client.Post("http://"+e.Site+"/", "text/plain", nil) })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != "ok" {
			t.Errorf("%s: %d %q, %v", name, resp.StatusCode, body, err)
		}
	}
}
