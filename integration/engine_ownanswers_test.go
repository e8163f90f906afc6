//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const ownAnswersCaddyfile = `
{
	admin off
	auto_https off
	persist_config off
	grace_period 1s
	storage file_system %[1]s/storage
	log {
		output file %[1]s/caddy.log
		format masked json
	}
	servers 127.0.0.1:%[4]s {
		protocols h1
	}
	servers 127.0.0.1:%[7]s {
		protocols h1
	}
}

(wiki) {
	bind 127.0.0.1
	header Content-Type text/html
	respond / "<!doctype html><title>wiki</title><h1>A page</h1>"
}

https://wiki.localhost:%[4]s {
	tls %[2]s %[3]s
	csp
	import wiki
}

https://wiki.localhost:%[5]s {
	tls %[2]s %[3]s
	csp
	import wiki
}

http://wiki.localhost:%[6]s {
	csp
	import wiki
}

https://wiki.localhost:%[7]s {
	tls %[2]s %[3]s
	import wiki
}
`

// TestCase54OwnAnswersInBrowsers: a gadget opens what the server answers by itself, in a popup, and writes a third
// party's script into it. Where there is no policy on it, that runs, in each engine.
func TestCase54OwnAnswersInBrowsers(t *testing.T) {
	a := newAuthority(t)
	third := &thirdParty{requests: make(map[string]int)}
	third.url = "https://127.0.0.2:" + a.serve(t, "127.0.0.2", third)
	ports := make(map[string]string)
	dir := t.TempDir()
	args := []any{dir, a.cert, a.key}
	for _, name := range []string{"https over HTTP/1.1", "https over HTTP/2", "http", "without a policy"} {
		addr := freeAddr(t, "127.0.0.1")
		ports[name] = addr[strings.LastIndexByte(addr, ':')+1:]
		args = append(args, ports[name])
	}
	if err := os.Mkdir(filepath.Join(dir, "storage"), 0o700); err != nil {
		t.Fatal(err)
	}
	loadCaddyfile(t, fmt.Sprintf(ownAnswersCaddyfile, args...))
	for engineName, start := range engines {
		t.Run(engineName, func(t *testing.T) {
			e := start(t, a)
			home := e.windows(t)[0]
			for name, port := range ports {
				site := "https://wiki.localhost:" + port
				if name == "http" {
					site = "http://wiki.localhost:" + port
				}
				for what, path := range map[string]string{
					"400": "/%zz", "431": "/" + strings.Repeat("a", 16_500), "far too long": "/" + strings.Repeat("a", 300_000),
				} {
					third.reset()
					e.use(t, home)
					e.open(t, site+"/")
					got := writeIntoPopup(t, e, path, third.url+"/script")
					n := third.counts()["script"]
					if name == "without a policy" && what == "400" {
						if got != "loaded" || n != 1 {
							t.Errorf("without a policy the script is %s, with %d requests: this test shows nothing", got, n)
						}
					} else if name != "without a policy" && (got == "loaded" || n != 0) {
						t.Errorf("%s, %s: the script is %s, with %d requests", name, what, got, n)
					}
					t.Logf("%s, %s: %s", name, what, got)
				}
			}
		})
	}
}

// writeIntoPopup has the page open an address in a popup, by the reader's click, and add a script to what comes.
func writeIntoPopup(t *testing.T, e engine, path, script string) string {
	t.Helper()
	value[any](t, e, fmt.Sprintf(`(() => {
		const button = document.createElement('button');
		button.id = 'bait';
		button.textContent = 'Win a prize';
		button.style = 'position: fixed; top: 0; left: 0; width: 300px; height: 100px';
		button.onclick = () => { window.popup = open(%q, 'popup', 'width=500,height=500'); };
		document.body.append(button);
	})()`, path))
	e.click(t, "#bait")
	until(t, e, `window.popup`)
	got := value[string](t, e, fmt.Sprintf(`(async () => {
		for (let i = 0; i < 400; i++) {
			await new Promise(done => setTimeout(done, 25));
			try {
				if (popup.closed) { return 'without a window'; }
				if (popup.location.href === 'about:blank' || popup.document.readyState !== 'complete') { continue; }
			} catch (error) {
				return 'kept out by ' + error.name;
			}
			return new Promise(done => {
				const script = popup.document.createElement('script');
				script.onload = () => done('loaded');
				script.onerror = () => done('blocked');
				script.src = %q;
				popup.document.documentElement.append(script);
			});
		}
		return 'without a page';
	})()`, script))
	value[any](t, e, `popup.close()`)
	return got
}
