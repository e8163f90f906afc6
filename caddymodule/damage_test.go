package caddymodule

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// damages are what can become of a file.
var damages = map[string]func(t *testing.T, path string){
	"cut short": func(t *testing.T, path string) {
		if err := os.Truncate(path, 5000); err != nil {
			t.Fatal(err)
		}
	},
	"empty": func(t *testing.T, path string) {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	},
	"flipped bytes": func(t *testing.T, path string) {
		rewrite(t, path, func(b []byte) { b[17], b[4096+17] = ^b[17], ^b[4096+17] })
	},
	"zeros": func(t *testing.T, path string) { rewrite(t, path, func(b []byte) { clear(b) }) },
	"zeros within": func(t *testing.T, path string) {
		rewrite(t, path, func(b []byte) { clear(b[2*4096:]) })
	},
	"text": func(t *testing.T, path string) {
		if err := os.WriteFile(path, []byte(strings.Repeat("not a database\n", 5000)), 0o600); err != nil {
			t.Fatal(err)
		}
	},
	"a directory in its place": func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(path, "below"), 0o700); err != nil {
			t.Fatal(err)
		}
	},
	"a link that leads to itself": func(t *testing.T, path string) { // can't be opened, by root neither
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Base(path), path); err != nil {
			t.Fatal(err)
		}
	},
}

func rewrite(t *testing.T, path string, change func([]byte)) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(data)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Case 48: a side file is damaged. What needs it answers 503, the rest goes on; the log and a metric say so, the file is left
// as it is, and when it is moved away the part works again without a reload.
func TestCase48DamagedSideFile(t *testing.T) {
	testutil.Slow(t)
	wiki := edgetest.NewBackend(t, nil)
	config := strings.Replace(edgetest.MaskSite(t, "", edgetest.MaskUsers, wiki.Address()), "csp strict", "csp {\nreports\nsite wiki.test\n}", 1)
	get := func(t *testing.T, e *edgetest.Edge, method, path string) int {
		t.Helper()
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.48.0.1"), method, "http://"+e.Site+path, nil)
		return resp.StatusCode
	}
	lookup := func(t *testing.T, e *edgetest.Edge, mask string) int {
		return edgetest.AskMasks(t, e, "patroller", mask, nil)
	}
	for _, tt := range []struct {
		store, file string // file is a pattern in the data_dir
		post, look  int    // what publishing and a look-up answer
	}{
		{"sightings", "sightings/*.sightings", 503, 503},
		{"quotas", "quotas.db", 200, 503},
		{"csp-reports/wiki.test", "csp-reports/wiki.test.db", 200, 200},
	} {
		for name, damage := range damages {
			t.Run(tt.store+"/"+name, func(t *testing.T) {
				e := edgetest.New(t, config)
				wiki.Take()
				mask := edgetest.Edit(t, e, wiki, "127.48.0.1")
				if look := lookup(t, e, mask); look != 200 {
					t.Fatalf("before the damage: a look-up %d", look)
				}
				if err := caddy.Stop(); err != nil {
					t.Fatal(err)
				}
				found, err := filepath.Glob(filepath.Join(e.Dir, "data", tt.file))
				if err != nil || len(found) != 1 {
					t.Fatalf("%q, %v", found, err)
				}
				path := found[0]
				damage(t, path)
				before, _ := os.ReadFile(path)

				e.Load(t, config)
				metric := `wikiveil_store_up{store="` + tt.store + `"}`
				if read, post, look := get(t, e, "GET", "/"), get(t, e, "POST", "/"), lookup(t, e, mask); read != 200 || post != tt.post || look != tt.look {
					t.Errorf("reading %d, publishing %d, a look-up %d", read, post, look)
				}
				if up, known := e.Metrics(t)[metric]; !known || up != 0 {
					t.Errorf("the metric says %v, %v", up, known)
				}
				if logged := e.ReadLog(t); !strings.Contains(logged, "store is down") || !strings.Contains(logged, `"store":"`+tt.store+`"`) {
					t.Error("the log does not say so")
				}
				if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
					t.Error("the file was changed")
				}
				if err := os.Rename(path, filepath.Join(e.Dir, "away")); err != nil {
					t.Fatal(err)
				}
				testutil.Eventually(t, "the part works again", func() bool {
					if get(t, e, "POST", "/") != 200 {
						return false
					}
					resp, err := http.Get("http://" + e.Admin + "/wikiveil/csp/reports")
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if resp.StatusCode != 200 {
						return false
					}
					look := lookup(t, e, mask)        // last, for the quota's sake
					return look == 200 || look == 404 // 404: its record went with the file
				})
				if up := e.Metrics(t)[metric]; up != 1 {
					t.Errorf("then the metric says %v", up)
				}
			})
		}
	}
}
