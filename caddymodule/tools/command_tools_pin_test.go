package tools

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// newFontService is a service whose style sheet leads to another host, to a further sheet
// and to what isn't there.
func newFontService(t *testing.T) (sheets, files *edgetest.Backend, sheet string) {
	files = newCDN(t)
	sheets = edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		switch r.URL.RequestURI() {
		case "/css2?family=A;B":
			_, _ = io.WriteString(w, sheet)
		case "/more.css":
			_, _ = io.WriteString(w, "b{}")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	sheet = fmt.Sprintf(`@import "more.css";@font-face{src:url(%s/a.woff2?#iefix),url(%[1]s/a.woff2#x),url(%[1]s/none.woff2)}`, files.URL)
	return sheets, files, sheet
}

func TestPinCommand(t *testing.T) {
	sheets, files, sheet := newFontService(t)
	var out string
	warnings := stderr(t, func() {
		out = edgetest.Stdout(t, func() {
			if _, err := edgetest.Run(t, "", "tools", "pin", "fonts", sheets.URL+"/css2?family=A;B", "--allow-loopback"); err != nil {
				t.Fatal(err)
			}
		})
	})
	declaration, addresses, _ := strings.Cut(out, "\n\n")
	want := fmt.Sprintf("tool fonts %s {\n\thosts %s\n\tkinds font style\n\tmirror /css2?family=A;B %s\n\tmirror /more.css %s\n\tmirror %s/a.woff2 %s\n\tallow_loopback\n}",
		sheets.URL, files.Address(), pin(sheet), pin("b{}"), files.URL, pin(libFont))
	if declaration != want {
		t.Errorf("got\n%s\nwant\n%s", declaration, want)
	}
	if !strings.Contains(warnings, "leaving out "+files.URL+"/none.woff2, which a style sheet loads: the service answers with status 404") {
		t.Errorf("warned %q", warnings)
	}
	if len(sheets.Take()) != 2 || len(files.Take()) != 2 {
		t.Error("something was asked for twice")
	}
	// What is printed can be pasted, and its addresses serve.
	e := edgetest.New(t, "{\n{GLOBAL}\nwikiveil {\ndata_dir {DIR}/data\n"+declaration+"\n}\n}\nhttp://{SITE} {\nanonproxy\n}\n")
	lines := strings.Split(strings.TrimSpace(addresses), "\n")
	if len(lines) != 7 {
		t.Fatalf("addresses %q", lines)
	}
	waitForFile(t, e, strings.Trim(lines[5], "# "), "font", libFont)
	waitForFile(t, e, strings.Trim(lines[6], "# "), "font", libFont)
	waitForFile(t, e, strings.Trim(lines[3], "# "), "style", "b{}")
	resp, body := loadFile(t, e, strings.Trim(lines[2], "# "), "style")
	if resp.StatusCode != 200 || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") ||
		!strings.Contains(body, strings.Trim(lines[4], "# ")) || strings.Count(body, strings.Trim(lines[6], "# ")) != 2 || !strings.HasSuffix(body, `url("")}`) {
		t.Errorf("the sheet: %d %v %s\n%s", resp.StatusCode, resp.Header, body, addresses)
	}
}

// What a service's style sheet says is pasted into a Caddyfile, where {$NAME} is a variable of the operator's environment:
// the edge would ask the service for an address with the operator's secret in it.
func TestPinCommandLeavesOutVariables(t *testing.T) {
	service := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/css" {
			w.Header().Set("Content-Type", "text/css")
			_, _ = io.WriteString(w, "@font-face{src:url('/a.woff2?{$WIKIVEIL_SECRET}'),url('/b.woff2?`'),url('/c.woff2?{c}')}")
			return
		}
		w.Header().Set("Content-Type", "font/woff2")
		_, _ = io.WriteString(w, libFont)
	})
	var out string
	warnings := stderr(t, func() {
		out = edgetest.Stdout(t, func() {
			if _, err := edgetest.Run(t, "", "tools", "pin", "fonts", service.URL+"/css", "--allow-loopback"); err != nil {
				t.Fatal(err)
			}
		})
	})
	if strings.Contains(out, "{$") || strings.Contains(out, "/b.woff2") || !strings.Contains(out, "\tmirror `/c.woff2?{c}` sha384-") {
		t.Errorf("printed %s", out)
	}
	if strings.Count(warnings, "a Caddyfile would read its address as something else") != 2 {
		t.Errorf("warned %s", warnings)
	}
	if got := service.Take(); len(got) != 2 {
		t.Errorf("%d files were fetched", len(got))
	}
}

func TestPinCommandJSON(t *testing.T) {
	cdn := newCDN(t)
	out := edgetest.Stdout(t, func() {
		if _, err := edgetest.Run(t, "", "tools", "pin", "lib", cdn.URL+"/lib.js", cdn.URL+"/a.woff2", "--allow-loopback", "--json"); err != nil {
			t.Fatal(err)
		}
	})
	var tool noticeboard.Tool
	if err := json.Unmarshal([]byte(out), &tool); err != nil {
		t.Fatal(err)
	}
	if err := tool.Validate(); err != nil || !tool.Executable || len(tool.Kinds) != 2 || tool.Mirror[0].Integrity != pin(libScript) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestPinCommandRefuses(t *testing.T) {
	cdn := newCDN(t)
	redirects := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, cdn.URL+"/lib.js", http.StatusFound) })
	for name, tt := range map[string]struct {
		args   []string
		reason string
	}{
		"no address":      {[]string{"lib"}, "requires at least 2 arg"},
		"bad name":        {[]string{"Lib!", cdn.URL + "/lib.js", "--allow-loopback"}, "name must be"},
		"loopback":        {[]string{"lib", cdn.URL + "/lib.js"}, "isn't https"},
		"private address": {[]string{"lib", "https://10.0.0.1/lib.js"}, "is an address"},
		"path":            {[]string{"lib", "/lib.js"}, "isn't an address such as https://"},
		"fragment":        {[]string{"lib", cdn.URL + "/lib.js#x", "--allow-loopback"}, "isn't an address such as https://"},
		"not there":       {[]string{"lib", cdn.URL + "/none.js", "--allow-loopback"}, "status 404"},
		"another scheme":  {[]string{"lib", cdn.URL + "/lib.js", "https://localhost/x.js", "--allow-loopback"}, "another scheme"},
		"redirect":        {[]string{"lib", redirects.URL + "/lib.js", "--allow-loopback"}, "a host that isn't declared"},
	} {
		t.Run(name, func(t *testing.T) {
			out := edgetest.Stdout(t, func() {
				if _, err := edgetest.Run(t, "", append([]string{"tools", "pin"}, tt.args...)...); err == nil || !strings.Contains(err.Error(), tt.reason) {
					t.Errorf("got %v, want a reason with %q", err, tt.reason)
				}
			})
			if out != "" {
				t.Errorf("printed %q", out)
			}
		})
	}
	edgetest.Stdout(t, func() {
		if _, err := edgetest.Run(t, "", "tools", "pin", "lib", redirects.URL+"/lib.js", "--allow-loopback", "--host", cdn.Address()); err != nil {
			t.Error(err)
		}
	})
}

// stderr returns what is printed as errors and warnings.
func stderr(t *testing.T, f func()) string {
	t.Helper()
	was := os.Stderr
	defer func() { os.Stderr = was }()
	return edgetest.Stdout(t, func() {
		os.Stderr, os.Stdout = os.Stdout, was
		f()
	})
}
