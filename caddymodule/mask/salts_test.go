package mask

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestSalts(t *testing.T) {
	at, e := sessionSite(t, "secret "+edgetest.Secret+"\nsalt idle 30d", "")
	editor, reader := at("127.70.1.1"), at("127.70.1.2")
	_, seen := editor.send("GET")
	mask := seen.Header.Get("Client-Mask")
	unsalted := edgetest.ClientMask(t, "127.70.1.1")
	if mask == unsalted || editor.mask() != mask {
		t.Errorf("reading as %s, editing as %s; without salt it is %s", mask, editor.mask(), unsalted)
	}
	if log := e.ReadLog(t); strings.Contains(log, unsalted) || strings.Contains(log, "127.70.1.1") {
		t.Error("the log has the mask without salt, or the address")
	}
	if _, err := edgetest.Run(t, "", "mask", "127.70.1.1", "--config", e.WriteConfig(t, fmt.Sprintf(behindTLS, "salt idle 30d\nsecret "+edgetest.Secret, "")+"127.0.0.1:1\n}")); err == nil ||
		!strings.Contains(err.Error(), "have salts of their own") {
		t.Errorf("the command makes a mask without salt: %v", err)
	}

	// A fresh edit's mask stays; a reader's goes at once, and is another then, also after a reload.
	page := "http://" + e.Site + "/.privacy/"
	ask := func(source, method string, more ...string) (*http.Response, string) {
		t.Helper()
		header := http.Header{"X-Forwarded-For": {source}, "X-Forwarded-Proto": {"https"}}
		for i := 0; i < len(more); i += 2 {
			header.Set(more[i], more[i+1])
		}
		resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), method, page, header)
		if requests := editor.wiki.Take(); len(requests) > 0 {
			t.Errorf("%s %s reached the app", method, source)
		}
		return resp, body
	}
	if resp, body := ask("127.70.1.1", "POST"); resp.StatusCode != 409 || !strings.Contains(body, "three days after") {
		t.Errorf("burning a fresh edit's mask: %d %s", resp.StatusCode, body)
	}
	if _, body := ask("127.70.1.1", "GET"); strings.Contains(body, "<button>") || !strings.Contains(body, "You can&#39;t let it go before") {
		t.Errorf("an editor's page: %s", body)
	}
	_, seen = reader.send("GET")
	read := seen.Header.Get("Client-Mask")
	if resp, body := ask("127.70.1.2", "POST", "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 403 || !strings.Contains(body, "another site") {
		t.Errorf("from another site: %d %s", resp.StatusCode, body)
	}
	if _, body := ask("127.70.1.2", "GET"); !strings.Contains(body, read) || !strings.Contains(body, "<button>Let this mask go") {
		t.Errorf("a reader's page: %s", body)
	}
	if resp, _ := ask("127.70.1.2", "POST", "Sec-Fetch-Site", "same-origin"); resp.StatusCode != 303 || resp.Header.Get("Location") != "/.privacy/#burn" {
		t.Errorf("burning: %d", resp.StatusCode)
	}
	burned := reader.mask()
	if burned == read {
		t.Error("the mask that was let go is still there")
	}

	// Who is blocked has no way out.
	if status, body := e.Post(t, adminBlocks, blockRequest{Mask: burned}); status != 200 {
		t.Fatalf("blocking: %d %s", status, body)
	}
	for _, method := range []string{"GET", "POST"} {
		if resp, _ := ask("127.70.1.2", method); resp.StatusCode != 403 {
			t.Errorf("a blocked client's %s of the page: %d", method, resp.StatusCode)
		}
	}
	// All is as it was after a restart.
	e.Load(t, "{\n{GLOBAL}\n}\n")
	e.Load(t, fmt.Sprintf(behindTLS, "secret "+edgetest.Secret+"\nsalt idle 30d", "")+editor.wiki.Address()+"\n}")
	if got := editor.mask(); got != mask {
		t.Errorf("after a restart %s, before %s", got, mask)
	}
	if resp, _ := reader.send("POST"); resp.StatusCode != 403 {
		t.Errorf("blocked, after a restart: %d", resp.StatusCode)
	}
}

// A session's mask is let go with its cookie; its address's mask and salt are others.
func TestBurnSession(t *testing.T) {
	at, _ := sessionSite(t, "", "mask_by session")
	v := at("127.70.1.3")
	v.send("GET")
	before := v.mask()
	burn := func(jar map[string]string) *http.Response {
		t.Helper()
		header := http.Header{"X-Forwarded-For": {v.source}, "X-Forwarded-Proto": {"https"}}
		for name, value := range jar {
			header.Add("Cookie", name+"="+value)
		}
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), "POST", "http://"+v.e.Site+"/.privacy/", header)
		return resp
	}
	if resp := burn(nil); resp.StatusCode != 404 {
		t.Errorf("there is something to burn without a session: %d", resp.StatusCode)
	}
	resp := burn(v.jar)
	if got := resp.Header.Get("Set-Cookie"); resp.StatusCode != 303 || got != sessionCookie+"=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("burning: %d, %q", resp.StatusCode, got)
	}
	v.jar = make(map[string]string)
	v.send("GET")
	if v.mask() == before {
		t.Error("the session goes on")
	}
}

func TestSaltConfig(t *testing.T) {
	for app, want := range map[string]string{
		"salt idle 1h":   "salt idle 1h0m0s is not from a day to a year",
		"salt idle 400d": "is not from a day to a year",
		"salt":           "wrong argument count",
		"salt for 30d":   `salt "for" is not one of idle`,
	} {
		err := edgetest.Validate(t, fmt.Sprintf(behindTLS, app, "")+"127.0.0.1:1\n}")
		edgetest.WantRefused(t, err, want)
	}
}
