package policy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/csp/confirm"
)

// Handlers of the edge behind csp see and set its cookies; whatever comes after them doesn't.
func TestEdgeCookies(t *testing.T) {
	const sent = "theme=dark; " + confirm.BrowserCookie + "=own"
	for name, own := range map[string]bool{"the edge": true, "the app": false} {
		t.Run(name, func(t *testing.T) {
			c := newCSP(t, CSP{})
			r := httptest.NewRequest("GET", "/", nil)
			r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
			r.Header.Set("Cookie", sent)
			w := httptest.NewRecorder()
			var got string
			err := c.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				if own {
					r = edge.EdgeRequest(r)
				}
				got = r.Header.Get("Cookie")
				w.Header().Add("Set-Cookie", confirm.BrowserCookie+"=new")
				w.WriteHeader(http.StatusOK)
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			want, set := "theme=dark", 0
			if own {
				want, set = sent, 1
			}
			if got != want || len(w.Result().Cookies()) != set {
				t.Errorf("got %q, want %q; %d cookies are set, want %d", got, want, len(w.Result().Cookies()), set)
			}
			if r.Header.Get("Cookie") != "theme=dark" {
				t.Errorf("what goes on has %q", r.Header.Get("Cookie"))
			}
		})
	}
}

// Browsers take cookies of the answer that opens a WebSocket, too.
func TestEdgeCookiesOfUpgrade(t *testing.T) {
	c := newCSP(t, CSP{})
	w := httptest.NewRecorder()
	var sent []string
	serveCSP(t, c, w, func(w http.ResponseWriter) {
		w.Header().Add("Set-Cookie", confirm.BrowserCookie+"=forged; Secure; HttpOnly; Path=/")
		w.Header().Add("Set-Cookie", "session=1")
		w.WriteHeader(http.StatusSwitchingProtocols)
		sent = w.Header()["Set-Cookie"]
	})
	if len(sent) != 1 || sent[0] != "session=1" {
		t.Errorf("sent are %q", sent)
	}
}
