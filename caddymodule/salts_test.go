package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
)

// Salts are on the disk before the request that publishes goes on: kill -9 loses none, and nobody gets rid of a block by it.
func TestSaltsSurviveKills(t *testing.T) {
	testutil.Slow(t)
	c := newCluster(t)
	n := c.run(c.place(), "salt idle 30d")
	mask := edgetest.Edit(t, n.Edge, c.wiki, "127.73.0.1")
	banned := edgetest.Edit(t, n.Edge, c.wiki, "127.73.0.2")
	n.mustRun(t, "block", "add", banned, "--reason", "spam")
	for i := range 2 {
		fresh := edgetest.Edit(t, n.Edge, c.wiki, "127.73.1."+string(rune('1'+i)))
		n.kill()
		n = c.run(n.Edge, "salt idle 30d")
		if got := edgetest.Edit(t, n.Edge, c.wiki, "127.73.0.1"); got != mask {
			t.Errorf("after kill -9 the mask is %s, was %s", got, mask)
		}
		if got := edgetest.Edit(t, n.Edge, c.wiki, "127.73.1."+string(rune('1'+i))); got != fresh {
			t.Errorf("after kill -9 a moment after the edit the mask is %s, was %s", got, fresh)
		}
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.73.0.2"), "POST", "http://"+n.Site+"/", nil)
		if resp.StatusCode != 403 || len(c.wiki.Take()) > 0 {
			t.Errorf("after kill -9 the blocked client gets %d", resp.StatusCode)
		}
	}
}

// Two nodes on one Redis give a client one mask, whichever sees them first, and 503 where Redis is away.
func TestSaltsOfTwoNodes(t *testing.T) {
	testutil.Slow(t)
	redis := redistest.Start(t, redistest.Durable...)
	c := newCluster(t)
	var nodes []*node
	for range 2 {
		e := c.place()
		file := c.config(e, "salt idle 30d")
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte(strings.Replace(string(text), "seal local", "seal local\n\t\t\tredis "+redis.URL, 1)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		n := launch(t, e, filepath.Join(e.Dir, "Caddyfile"))
		n.serves(t)
		c.wiki.Take()
		nodes = append(nodes, n)
	}
	for i, first := range []string{"GET", "POST"} {
		source := "127.74.0." + string(rune('1'+i))
		var masks []string
		for _, n := range []*node{nodes[i], nodes[1-i], nodes[i]} {
			for _, method := range []string{first, "GET", "POST"} {
				edgetest.Send(t, edgetest.From(t, source), method, "http://"+n.Site+"/", nil)
				masks = append(masks, c.wiki.One(t).Header.Get("Client-Mask"))
			}
		}
		for _, mask := range masks {
			if mask != masks[0] || mask == "" {
				t.Errorf("first a %s: the nodes don't agree: %v", first, masks)
				break
			}
		}
	}
	redis.Kill()
	resp, body := edgetest.Send(t, edgetest.From(t, "127.74.0.9"), "GET", "http://"+nodes[0].Site+"/", nil)
	if resp.StatusCode != 503 || !strings.Contains(body, "can't make the mask") || len(c.wiki.Take()) > 0 {
		t.Errorf("without Redis: %d %s", resp.StatusCode, body)
	}
}
