package lookup

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/lookup/seal"
)

// newRecipients makes identity files and returns them with their recipients.
func newRecipients(t *testing.T, n int) (files, recipients []string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		file := filepath.Join(dir, string(rune('a'+i))+".txt")
		out, err := edgetest.Run(t, "", "keys", "recipient", "new", "--output", file)
		if err != nil {
			t.Fatal(err)
		}
		files, recipients = append(files, file), append(recipients, strings.TrimSpace(out))
	}
	return files, recipients
}

var boxShown = regexp.MustCompile(`<textarea readonly[^>]*>([^<]*)</textarea>`)

// The whole way: from the wiki's page to the address, sealed in each way, and with each way to know users.
func TestReveal(t *testing.T) {
	testutil.Slow(t)
	files, recipients := newRecipients(t, 2)
	sealed := strings.Join(recipients, " ")
	for _, tt := range []struct {
		name        string
		options     revealOptions
		user, shown string   // in the audit, on the page
		open        []string // identities; none: the edge itself
	}{
		{name: "local, another port, users of the wiki", options: revealOptions{seal: "local", gate: wikiGate, there: wikiGate}, user: "wiki:4", shown: "User:checker"},
		{name: "any, subdomain", options: revealOptions{seal: "any " + sealed, gate: wikiGate, subdomain: true}, user: "wiki:4", shown: "User:checker", open: files[1:]},
		{name: "all, another port, users of Caddy", options: revealOptions{seal: "all " + sealed, gate: "user checker reveal", there: "user checker reveal",
			auth: basicAuth(t, "/.privacy/* /reveal", "checker")}, user: "user:checker", shown: "checker", open: files},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newRevealScene(t, tt.options)
			mask := s.publish(s.wiki, writerAddr)
			checker := s.browser(checkerAddr, "checker")
			if tt.options.auth != "" {
				checker.user = "checker"
			}
			p := checker.open(mask)
			for _, want := range []string{mask, tt.shown, "audit log"} {
				if !strings.Contains(p.text, want) {
					t.Errorf("the page lacks %q:\n%s", want, p.text)
				}
			}
			edgetest.WantNone(t, "the page", []byte(p.text), netip.MustParseAddr(writerAddr), netip.MustParseAddr(checkerAddr))

			const reason = `threats <b>against</b> "a person", ticket 7`
			if a := p.send(p.form(reason), nil); a.StatusCode != 403 || !strings.Contains(a.body, "faster than a person can read") {
				t.Errorf("at once: %d %s", a.StatusCode, a.body)
			}
			waitToRead()
			a := p.send(p.form(reason), nil)
			if a.StatusCode != 200 || a.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "default-src 'none'; ") {
				t.Fatalf("%d %v %s", a.StatusCode, a.Header, a.body)
			}
			all := reveals(t) // at once: it was written before
			if len(all) != 1 || all[0].Performer != tt.user || len(all[0].Masks) != 1 || all[0].Masks[0].String() != mask || all[0].Reason != reason {
				t.Fatalf("the audit has %+v", all)
			}
			if tt.open == nil {
				if !strings.Contains(a.body, ">"+writerAddr+"<") {
					t.Errorf("the address is not shown: %s", a.body)
				}
			} else {
				edgetest.WantNone(t, "the answer", a.all(), netip.MustParseAddr(writerAddr))
				wantOpens(t, a.body, mask, tt.open, recipients)
			}
			if got := s.counted("answered"); got != "1" {
				t.Errorf("%q reveals are counted", got)
			}
			s.wantNoTrace()
			for _, r := range s.app.Take() {
				if r.URL.Path != "/w/api.php" {
					t.Errorf("the app got %s", r.URL.Path)
				}
			}
		})
	}
}

// wantOpens opens the box on a page by the command.
func wantOpens(t *testing.T, text, mask string, files, recipients []string) {
	t.Helper()
	box := boxShown.FindStringSubmatch(text)
	if box == nil {
		t.Fatalf("no box is shown: %s", text)
	}
	for _, recipient := range recipients {
		r, err := seal.ParseRecipient(recipient)
		if err != nil || !strings.Contains(text, r.ID()) {
			t.Errorf("the page does not say that it is sealed to %v (%v)", r.ID(), err)
		}
	}
	args := []string{"reveal"}
	for _, file := range files {
		args = append(args, "--identity", file)
	}
	if out, err := edgetest.Run(t, box[1]+"\n", args...); err != nil || out != mask+"\t"+writerAddr+"\n" {
		t.Errorf("opened: %q, %v", out, err)
	}
}

// A page that was open before a reload counts after it; but not if its record is another since.
func TestRevealOverReload(t *testing.T) {
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	mask, changed := s.publish(s.wiki, writerAddr), s.publish(s.wiki, "127.130.7.2")
	checker := s.browser(checkerAddr, "checker")
	p, other := checker.open(mask), checker.open(changed)
	s.reload(strings.Replace(s.config, "seal local", "seal local\nretention 10d", 1)) // another recorder on the same files
	waitToRead()                                                                      // the record of a later second counts, too
	if again := s.publish(s.wiki, "127.130.7.2"); again != changed {
		t.Fatal("the mask changed")
	}
	if a := other.send(other.form("why"), nil); a.StatusCode != 409 || !strings.Contains(a.body, "has changed since") {
		t.Errorf("the changed record: %d %s", a.StatusCode, a.body)
	}
	if a := p.send(p.form("why"), nil); a.StatusCode != 200 || !strings.Contains(a.body, writerAddr) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if all := reveals(t); len(all) != 1 {
		t.Errorf("the audit has %+v", all)
	}
}

// What was recorded before anything was sealed has no address.
func TestRevealOfUnsealed(t *testing.T) {
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	unsealed := s.config[:strings.LastIndex(s.config, s.origin+" {")]
	s.reload(strings.Replace(unsealed, "seal local", "", 1))
	mask := s.publish(s.wiki, writerAddr)
	s.reload(s.config)
	a := s.browser(checkerAddr, "checker").start(mask)
	if a.StatusCode != 404 || !strings.Contains(a.body, "No address was sealed for this mask") || a.Header.Get("Location") != "" {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
	if got := s.counted("not_sealed"); got != "1" {
		t.Errorf("%q are counted", got)
	}
}

func TestMaskRevealConfigErrors(t *testing.T) {
	const sealed = "sightings {\nseal local\n}"
	const origins = "reveal https://wiki.example https://wiki.example:9443"
	for _, c := range []struct {
		name, global, options string
		want                  []string
	}{
		{"good", sealed, origins, nil},
		{"good with all", sealed, origins + "\nwiki http://127.0.0.1:1/api.php\nsite x\npath /masks/", nil},
		{"no reveal", sealed, "", []string{"not said where reveals are", "Caddyfile:"}},
		{"no reveal but users", sealed, "user x reveal", []string{"not said where reveals are", "Caddyfile:"}},
		{"the wiki's origin", sealed, "reveal https://wiki.example https://wiki.example:443", []string{"is the wiki's own origin", "Caddyfile:14"}},
		{"not https", sealed, "reveal http://wiki.example https://wiki.example:9443", []string{"is not an https origin", "Caddyfile:14"}},
		{"one origin", sealed, "reveal https://wiki.example", []string{"wrong argument count", "Caddyfile:14"}},
		{"unknown option", sealed, origins + "\ncolour red", []string{`unknown mask_reveal option "colour" (known: wiki, user, site, reveal, path)`, "Caddyfile:15"}},
		{"argument", sealed, origins + "\n}\nmask_reveal /x y {\n" + origins, []string{`takes no argument ("y")`, "Caddyfile:16"}},
		{"path", sealed, origins + "\npath masks", []string{`path "masks" is not a plain path`, "Caddyfile:15"}},
		{"wiki and user", sealed, origins + "\nuser x reveal\nwiki http://127.0.0.1:1/api.php", []string{"not from both", "Caddyfile:16"}},
		{"unknown right", sealed, origins + "\nuser x everything", []string{`right "everything"`, "Caddyfile:15"}},
		{"no sightings", "", origins, []string{"set `sightings`"}},
		{"no sealing", "sightings {\nretention 10d\n}", origins, []string{"nothing is sealed, so nothing can be revealed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.global == "" {
				c.global = "\n\n" // as many lines
			}
			err := edgetest.Validate(t, "{\nadmin off\nstorage file_system "+t.TempDir()+"\nwikiveil {\ndata_dir {DIR}/data\n"+c.global+
				"\n}\n}\n\nhttp://{SITE} {\nmask_reveal {\n"+c.options+"\n}\n}\n")
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

// JSON says what the Caddyfile says, and is checked alike.
func TestMaskRevealJSON(t *testing.T) {
	const site = "{\nstorage file_system {DIR}\nwikiveil {\ndata_dir {DIR}/data\nsightings {\nseal local\n}\n}\n}\nhttp://:{PORT} {\n"
	e := &edgetest.Edge{Dir: t.TempDir(), Site: edgetest.FreePort(t)}
	config := string(edgetest.Adapt(t, e.Expand(site+`mask_reveal {
		reveal https://wiki.example https://reveal.wiki.example
		user checker reveal info
		site wiki
		path /masks/
	}
	}`)))
	const want = `{"handler":"mask_reveal","path":"/masks/","reveal":{"origin":"https://reveal.wiki.example","wiki":"https://wiki.example"},` +
		`"site":"wiki","users":{"checker":["reveal","info"]}}`
	if !strings.Contains(config, want) {
		t.Fatalf("adapted: %s", config)
	}
	for _, c := range []struct{ name, handler, want string }{
		{"good", want, ""},
		{"no reveal", `{"handler":"mask_reveal"}`, "not said where reveals are"},
		{"own origin", strings.Replace(want, "reveal.wiki", "wiki", 1), "is the wiki's own origin"},
		{"unknown", strings.Replace(want, `"path"`, `"colour"`, 1), `unknown field "colour"`},
		{"path", strings.Replace(want, "/masks/", "/masks", 1), "not a plain path"},
		{"right", strings.Replace(want, `"info"`, `"all"`, 1), `right "all"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var parsed caddy.Config
			if err := json.Unmarshal([]byte(strings.Replace(config, want, c.handler, 1)), &parsed); err != nil {
				t.Fatal(err)
			}
			err := edgetest.ValidateConfig(&parsed)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
