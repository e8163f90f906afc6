package exempt

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// After consent a reader is where they came from, and never on another site or at a question again.
func TestBackToThePage(t *testing.T) {
	for from, want := range map[string]string{
		wiki + "/w/index.php?title=A%2FB&action=edit":      wiki + "/w/index.php?title=A%2FB&action=edit",
		wiki + "/wiki/Page#part":                           wiki + "/wiki/Page",
		wiki + "//other.example/":                          wiki + "//other.example/",
		wiki + `/\other.example/`:                          wiki + "/%5Cother.example/",
		wiki + "/.tools/":                                  wiki + "/.tools/",
		"":                                                 ListPath,
		"https://other.example/wiki/Page":                  ListPath,
		wiki + ".other.example/":                           ListPath,
		"https://wiki@other.example/":                      ListPath,
		strings.Replace(wiki, "://", "://a:b@", 1) + "/x":  ListPath,
		strings.Replace(wiki, "https:", "http:", 1) + "/x": ListPath,
		port + "/x":                                        ListPath,
		wiki + GoPath + "?tool=maps":                       ListPath,
		wiki + CommitPath + "?ticket=x":                    ListPath,
		wiki + "/" + strings.Repeat("x", 4096):             ListPath,
		"javascript:alert(1)":                              ListPath,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newScene(t).browser()
			r := b.request("GET", wiki+GoPath+"?tool=weather", "")
			if from != "" {
				r.Header.Set("Referer", from)
			}
			q := b.read(b.follow(b.send(r), port))
			time.Sleep(5 * time.Second)
			commit := b.follow(b.answer(q), wiki+CommitPath)
			if got := commit.Header().Get("Location"); commit.Code != http.StatusSeeOther || got != want {
				t.Errorf("from %q the commit ends at %q, want %q", from, got, want)
			}
			b.wantThrough("weather")
		})
	}
	// Whatever the cookie holds.
	for _, held := range []string{"//other.example/", "https://other.example/", "@other.example/", ".other.example/", "/x\r\nSet-Cookie: a=b", "", "x"} {
		synctest.Test(t, func(t *testing.T) {
			b := newScene(t).browser()
			ticket := b.ticket("weather")
			b.keep(&http.Cookie{Name: backCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(held))})
			commit := b.get(ticket)
			if got := commit.Header().Get("Location"); got != ListPath && !strings.HasPrefix(got, wiki+"/") {
				t.Errorf("with %q the commit ends at %q", held, got)
			}
			for _, line := range commit.Header()["Set-Cookie"] {
				if strings.HasPrefix(line, "a=b") {
					t.Errorf("with %q a cookie is set: %q", held, line)
				}
			}
		})
	}
}
