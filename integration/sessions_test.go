//go:build integration

package integration

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// TestBlockedSessionStopsThatBrowserAlone has two people behind one exit: the wiki blocks one by the mask that it shows, and the other edits. A block
// of the exit's own mask, or of its network's, stops both.
func TestBlockedSessionStopsThatBrowserAlone(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{https: true, app: "network school " + net24, site: "client_mask {\nnetworks xff\nmask_by session school\n}\n"}, "")
		vandal, pupil := s.visit(alice), s.visit(alice)
		admin := s.visitAdmin(t, sysop)
		wantSaved(t, "before", vandal, pupil)

		mask := s.sessionOf(t, vandal)
		if !f.wiki.tempAccounts {
			wantEditor(t, f, "the first editor", admin.history(t, "Sandbox")[1].User, mask)
			wantEditor(t, f, "the second editor", admin.history(t, "Sandbox")[0].User, s.sessionOf(t, pupil))
		}
		admin.block(t, mask.String())
		wantRefused(t, "blocked", "blocked", vandal)
		wantSaved(t, "another blocked", pupil)
		admin.unblock(t, mask.String())

		for _, mask := range []netip.Addr{s.maskOf(t, alice), s.maskOfRange(t, net24)} {
			wantSaved(t, "unblocked", pupil)
			admin.block(t, mask.String())
			wantRefused(t, "behind a blocked network", "blocked", vandal, pupil)
			admin.unblock(t, mask.String())
		}
	})
}

// TestNetworkPageOfAWikisBlock: who edits from a network that the wiki blocks is shown the edge's page, by the companion's word, and no other reader is.
func TestNetworkPageOfAWikisBlock(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		s := setScene(t, f, edgeConfig{app: "network school " + net24, site: "client_mask {\nnetworks xff\nnetwork_page school\n}\n"}, companion(t))
		pupil, other, admin := s.visit(alice), s.visit(dave), s.visitAdmin(t, sysop)
		wantSaved(t, "before", pupil)
		school, err := s.masker(t).Network("school")
		if err != nil {
			t.Fatal(err)
		}
		admin.block(t, school.String())
		submit := func(v *visitor, more url.Values) (int, string) {
			t.Helper()
			form := url.Values{"title": {"Sandbox"}, "action": {"submit"}, "wpTextbox1": {uniqueText()}, "wpEditToken": {"+\\"}, "wpUltimateParam": {"1"}}
			for name, values := range more {
				form[name] = values
			}
			r, err := http.NewRequest("POST", v.url+"/index.php", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Accept", "text/html")
			resp, err := v.http.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Header.Get("Client-Mask-Blocked") != "" && v == pupil {
				t.Error("the reader gets the companion's header")
			}
			return resp.StatusCode, bodyOf(t, resp)
		}
		if status, page := submit(pupil, nil); status != 403 || !strings.Contains(page, "These ways are open") || !strings.Contains(page, "“school”") {
			t.Errorf("a refused edit: %d %.2000s", status, page)
		}
		if status, page := submit(other, url.Values{"wpPreview": {"1"}}); status != 200 || strings.Contains(page, "These ways are open") {
			t.Errorf("a preview from elsewhere: %d", status)
		}
		if page := pupil.page(t, "/index.php?title=Sandbox"); strings.Contains(page, "These ways are open") {
			t.Error("reading shows the page")
		}
	})
}

// sessionOf returns the mask of the session that a visitor's cookie holds.
func (e *edge) sessionOf(t *testing.T, v *visitor) netip.Addr {
	t.Helper()
	at, err := url.Parse(v.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.http.Jar.Cookies(at) {
		if c.Name != "__Host-Http-wikiveil-session" {
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(c.Value)
		if err != nil || len(raw) < 18 || raw[1] != 1 {
			t.Fatalf("the visitor's session isn't granted: %v", err)
		}
		mask, err := e.masker(t).Session(raw[2:18])
		if err != nil {
			t.Fatal(err)
		}
		return mask
	}
	t.Fatal("the visitor has no session")
	return netip.Addr{}
}
