package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// Many clients at once behind one proxy, on one connection to the edge and on shared
// connections to the app: each request has its own client's mask.
func TestLeakOfOneClientToAnother(t *testing.T) {
	const clients, rounds = 20, 5
	whoIsIt := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Client-Mask"), " ", r.Header.Get("X-Forwarded-For"))
		if strings.HasPrefix(r.RemoteAddr, "[") {
			fmt.Fprint(w, " ", r.RemoteAddr)
		}
	}
	e := newLeakEdge(t, leakConfig, "client_mask")
	for _, u := range e.upstreams {
		u.app.answer = whoIsIt
	}
	for _, protocol := range []string{"h2", "h3"} {
		client := overTLS(t, protocol, leakProxy, e.tls, e.roots)
		for _, u := range e.upstreams {
			if u.name == "WebSocket" {
				continue
			}
			t.Run(protocol+" to "+u.name, func(t *testing.T) {
				var wg sync.WaitGroup
				for i := range clients {
					addr := fmt.Sprintf("203.0.113.%d", 100+i)
					mask := edgetest.ClientMask(t, addr)
					want := mask + " " + mask
					if u.peer {
						want += " [" + mask + "]:0"
					}
					wg.Go(func() {
						for range rounds {
							if got, err := whoAmI(client, u.path, addr); err != nil || got != want {
								t.Errorf("%s: %q, %v, want %q", addr, got, err, want)
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
	e.SearchTraces(t, leakAddrs()...)
}

func whoAmI(client *http.Client, path, addr string) (string, error) {
	r, err := http.NewRequest("GET", "https://"+leakHost+path, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("X-Forwarded-For", addr)
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
