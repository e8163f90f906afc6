package mask

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestEdgeBlocks(t *testing.T) {
	wiki := edgetest.NewBackend(t, nil)
	e := edgetest.New(t, edgetest.PlainSite+wiki.Address()+"\n}")
	visit := func(source string) (*http.Response, string, *http.Request) {
		t.Helper()
		resp, body := edgetest.Send(t, edgetest.From(t, source), "GET", "http://"+e.Site+"/", nil)
		requests := wiki.Take()
		if resp.StatusCode == 200 {
			if len(requests) != 1 {
				t.Fatalf("%s: the app got %d requests", source, len(requests))
			}
			return resp, body, requests[0]
		}
		if len(requests) != 0 {
			t.Errorf("%s was refused, but reached the app", source)
		}
		return resp, body, nil
	}
	_, _, seen := visit("127.61.2.3")
	mask := seen.Header.Get("Client-Mask")
	_, _, seen = visit("127.62.2.3")
	narrow := strings.Split(seen.Header.Get("Client-Network-Masks"), ", ")[1] // the /24

	if status, body := e.Post(t, adminBlocks, blockRequest{Mask: mask, Reason: "<b>spam</b>", Expires: time.Now().Add(time.Hour)}); status != 200 {
		t.Fatalf("blocking: %d %s", status, body)
	}
	if out, err := edgetest.Run(t, "", "block", "add", narrow, "--address", e.Admin, "--expires", "31d"); err != nil {
		t.Fatalf("blocking by command: %v %s", err, out)
	}
	for source, blocked := range map[string]bool{
		"127.61.2.3": true, "127.61.2.4": false, "127.62.2.3": true, "127.62.2.99": true, "127.62.3.1": false,
	} {
		resp, body, _ := visit(source)
		if (resp.StatusCode == 403) != blocked {
			t.Errorf("%s: %d, want blocked %v", source, resp.StatusCode, blocked)
		}
		if blocked && (resp.Header.Get("Cache-Control") != "no-store" || !strings.Contains(body, "What you can do") || strings.Contains(body, source)) {
			t.Errorf("%s: page %q", source, body)
		}
	}
	if _, body, _ := visit("127.61.2.3"); !strings.Contains(body, "&lt;b&gt;spam&lt;/b&gt;") || !strings.Contains(body, mask) || !strings.Contains(body, "your connection") {
		t.Errorf("page: %s", body)
	}
	if _, body, _ := visit("127.62.2.3"); !strings.Contains(body, "a network that you are in") || !strings.Contains(body, narrow) {
		t.Errorf("page: %s", body)
	}

	// It holds after a rotation, and after a restart.
	e.Rotate(t)
	e.Load(t, "{\n{GLOBAL}\n}\n")
	e.Load(t, edgetest.PlainSite+wiki.Address()+"\n}")
	for _, source := range []string{"127.61.2.3", "127.62.2.99"} {
		if resp, _, _ := visit(source); resp.StatusCode != 403 {
			t.Errorf("%s after rotation and restart: %d", source, resp.StatusCode)
		}
	}

	out := edgetest.Stdout(t, func() {
		if _, err := edgetest.Run(t, "", "block", "list", "--address", e.Admin); err != nil {
			t.Error(err)
		}
	})
	if !strings.Contains(out, mask) || !strings.Contains(out, narrow) || !strings.Contains(out, "<b>spam</b>") {
		t.Errorf("list: %s", out)
	}
	if _, err := edgetest.Run(t, "", "block", "remove", mask, "--address", e.Admin); err != nil {
		t.Error(err)
	}
	if resp, _, _ := visit("127.61.2.3"); resp.StatusCode != 200 {
		t.Errorf("after removal: %d", resp.StatusCode)
	}
}

func TestBlockRefusals(t *testing.T) {
	e := edgetest.New(t, edgetest.PlainSite+"127.0.0.1:1\n}")
	mask := "2001:2f:da8a:eedc:72a9:ddb5:1438:104f"
	for _, c := range []struct {
		name, path string
		body       any
		status     int
		want       string
	}{
		{"an address", adminBlocks, blockRequest{Mask: "203.0.113.9"}, 400, "not a mask"},
		{"a mask with a length", adminBlocks, blockRequest{Mask: mask + "/64"}, 400, "stands alone"},
		{"expired", adminBlocks, blockRequest{Mask: mask, Expires: time.Now().Add(-time.Hour)}, 400, "not in the future"},
		{"long reason", adminBlocks, blockRequest{Mask: mask, Reason: strings.Repeat("x", 501)}, 400, "reason is not up to 500"},
		{"an address in the reason", adminBlocks, blockRequest{Mask: mask, Reason: "open proxy 203.0.113.9:3128"}, 400, "the reason has an IP address in it"},
		{"unknown field", adminBlocks, map[string]string{"mask": mask, "colour": "red"}, 400, "not one JSON object"},
		{"not an object", adminBlocks, "203.0.113.9", 400, "not one JSON object"},
		{"huge", adminBlocks, blockRequest{Mask: mask, Reason: strings.Repeat("x", 1<<20)}, 400, "not one JSON object"},
		{"not blocked", adminRemoveBlocks, unblockRequest{Mask: mask}, 404, "is not blocked"},
		{"removing an address", adminRemoveBlocks, unblockRequest{Mask: "203.0.113.9"}, 400, "not a mask"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := e.Post(t, c.path, c.body)
			if status != c.status || !strings.Contains(body, c.want) || strings.Contains(body, "203.0.113.9") {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"add", "203.0.113.9"}, "not a mask"},
		{[]string{"add", mask, "--expires", "soon"}, "--expires is neither"},
		{[]string{"add", mask, "--expires", "-1h"}, "--expires is neither"},
		{[]string{"remove", mask}, "is not blocked"},
		{[]string{"add"}, "accepts 1 arg"},
	} {
		_, err := edgetest.Run(t, "", append(append([]string{"block"}, c.args...), "--address", e.Admin)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "203.0.113.9") {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	if _, body := edgetest.Send(t, http.DefaultClient, "GET", "http://"+e.Admin+adminBlocks, nil); body != "[]\n" {
		t.Errorf("the list is %s", body)
	}
}

func TestOwnBlockPage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.html")
	write := func(text string) {
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	site := "{\n{GLOBAL}\n}\nhttp://{SITE} {\nclient_mask {\nblock_page " + page + "\n}\nrespond ok\n}\n"
	for name, c := range map[string]struct{ text, want string }{
		"broken":        {"{{.Mask", "parsing block_page"},
		"unknown field": {"{{.Address}}", "trying block_page"},
	} {
		write(c.text)
		if err := edgetest.Validate(t, site); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "Caddyfile:") {
			t.Errorf("%s: %v", name, err)
		}
	}
	write("<p>Gesperrt: {{.Reason}} ({{.Mask}})")
	e := edgetest.New(t, site)
	mask, err := edgetest.Run(t, "", "mask", "--config", e.WriteConfig(t, site), "127.61.2.3")
	if err != nil {
		t.Fatal(err)
	}
	mask = strings.TrimSpace(mask[strings.IndexByte(mask, '\t'):])
	if status, body := e.Post(t, adminBlocks, blockRequest{Mask: mask, Reason: "Werbung"}); status != 200 {
		t.Fatalf("blocking: %d %s", status, body)
	}
	if resp, body := edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/", nil); resp.StatusCode != 403 || body != "<p>Gesperrt: Werbung ("+mask+")" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

// A damaged list is refused at the start, and left as it is.
func TestDamagedBlockListIsRefused(t *testing.T) {
	e := edgetest.Place(t)
	file := filepath.Join(e.Dir, "storage", "wikiveil", "blocks.json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := edgetest.LoadErr(t, e.Expand(edgetest.PlainSite+"127.0.0.1:1\n}"))
	if err == nil || !strings.Contains(err.Error(), "wikiveil/blocks.json: it is damaged") {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "{}" {
		t.Errorf("the file is now %q, %v", data, err)
	}
}
