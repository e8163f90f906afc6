package mask

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// A blocked person reads why in the language they ask for, else in their browser's, else in the site's; what is no language of ours counts as not said.
func TestLanguageOfTheBlockPage(t *testing.T) {
	site := "{\n{GLOBAL}\n}\nhttp://{SITE} {\nclient_mask {\nlanguage de\n}\nrespond ok\n}\n"
	if err := edgetest.Validate(t, strings.Replace(site, "language de", "language tlh", 1)); err == nil ||
		!strings.Contains(err.Error(), `language "tlh" is not one`) || !strings.Contains(err.Error(), "Caddyfile:") {
		t.Errorf("an unknown language: %v", err)
	}
	e := edgetest.New(t, site)
	mask, err := edgetest.Run(t, "", "mask", "--config", e.WriteConfig(t, site), "127.61.2.3")
	if err != nil {
		t.Fatal(err)
	}
	mask = strings.TrimSpace(mask[strings.IndexByte(mask, '\t'):])
	if status, body := e.Post(t, adminBlocks, blockRequest{Mask: mask}); status != 200 {
		t.Fatalf("blocking: %d %s", status, body)
	}
	client := edgetest.From(t, "127.61.2.3")
	for name, c := range map[string]struct{ query, accept, want string }{
		"nothing said":         {"", "", "de"},
		"the browser's":        {"", "en-GB,en;q=0.8", "en"},
		"asked for":            {"?uselang=en", "de", "en"},
		"any":                  {"", "*", "de"},
		"of nobody here":       {"", "tlh", "de"},
		"markup":               {"?uselang=%3Cscript%3Ealert(1)%3C/script%3E", "", "de"},
		"too long to be read":  {"", strings.Repeat("en,", 10<<10/3), "de"},
		"not the notes' files": {"?uselang=qqq", "", "de"},
	} {
		header := http.Header{}
		if c.accept != "" {
			header.Set("Accept-Language", c.accept)
		}
		resp, body := edgetest.Send(t, client, "GET", "http://"+e.Site+"/"+c.query, header)
		words := map[string]string{"de": "Was gesperrt ist", "en": "What is blocked"}[c.want]
		if resp.StatusCode != 403 || resp.Header.Get("Content-Language") != c.want || !strings.Contains(body, `<html lang="`+c.want+`"`) ||
			!strings.Contains(body, words) || strings.Contains(body, "<script") {
			t.Errorf("%s: %d in %q: %s", name, resp.StatusCode, resp.Header.Get("Content-Language"), body)
		}
	}
}
