package mask

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/masking/masklog"
)

func init() {
	caddy.RegisterModule(templateEncoder{})
}

// templateEncoder is an encoder with an argument and options, that writes lines of its own making: like
// the one of github.com/caddyserver/transform-encoder.
type templateEncoder struct {
	Template string            `json:"template"`
	Names    map[string]string `json:"names,omitempty"`

	zapcore.Encoder `json:"-"`
}

func (templateEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.encoders.template", New: func() caddy.Module { return new(templateEncoder) }}
}

func (e *templateEncoder) Provision(ctx caddy.Context) error {
	inner := new(logging.JSONEncoder)
	e.Encoder = inner
	return inner.Provision(ctx)
}

func (e *templateEncoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.Args(&e.Template) {
		return d.ArgErr()
	}
	e.Names = make(map[string]string)
	for d.NextBlock(0) {
		if d.Val() != "names" {
			return d.Errf("unknown option %s", d.Val())
		}
		for nesting := d.Nesting(); d.NextBlock(nesting); {
			name := d.Val()
			if !d.NextArg() {
				return d.ArgErr()
			}
			e.Names[name] = d.Val()
		}
	}
	return nil
}

func (e *templateEncoder) Clone() zapcore.Encoder {
	return &templateEncoder{Template: e.Template, Names: e.Names, Encoder: e.Encoder.Clone()}
}

func (e *templateEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	line, err := e.Encoder.EncodeEntry(entry, fields)
	if err != nil {
		return nil, err
	}
	var all struct {
		Request struct {
			RemoteIP string `json:"remote_ip"`
			URI      string
			Headers  map[string][]string
		}
	}
	if err := json.Unmarshal(line.Bytes(), &all); err != nil {
		return nil, err
	}
	line.Reset()
	fmt.Fprintln(line, strings.NewReplacer("<ip>", all.Request.RemoteIP, "<uri>", all.Request.URI, "<own>", e.Names["own"],
		"<agent>", strings.Join(all.Request.Headers["User-Agent"], "")).Replace(e.Template))
	return line, nil
}

// Case 9: whoever reads a log and sends lists of addresses doesn't learn whose mask is whose.
func TestCase9AMaskedLogIsNoOracle(t *testing.T) {
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
		servers {
			trusted_proxies static 127.0.0.9
			trusted_proxies_strict
		}
	}
	http://{SITE} {
		log {
			output file {DIR}/access.log
			format masked
		}
		client_mask
		respond ok
	}`)
	var all, forwarded []string
	for i := range 256 {
		all = append(all, fmt.Sprintf("127.7.0.%d", i))
		forwarded = append(forwarded, fmt.Sprintf("for=127.7.0.%d", i))
	}
	list := strings.Join(all, ",")
	edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+"/?"+list, http.Header{
		"X-List": {list}, "X-Forwarded-For": {list}, "Forwarded": {strings.Join(forwarded, ",")}, "User-Agent": {"Bot " + list},
	})
	edgetest.Send(t, edgetest.From(t, "127.0.0.9"), "GET", "http://"+e.Site+"/", http.Header{"X-Forwarded-For": {"127.61.2.3"}, "X-List": {list}})
	lines := edgetest.LogLines(t, filepath.Join(e.Dir, "access.log"), 2)
	masks := map[string]string{"127.61.2.3": "", "127.0.0.9": ""}
	for addr := range masks {
		masks[addr] = edgetest.ClientMask(t, addr)
	}
	for _, line := range lines {
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(`",[] `, r) }) {
			addr, err := netip.ParseAddr(word)
			if err == nil && word != masks["127.61.2.3"] && word != masks["127.0.0.9"] && word != "127.0.0.1" {
				t.Errorf("%s is in the log:\n%s", addr, line)
			}
		}
	}
	if strings.Count(lines[0], masks["127.61.2.3"]) != 2 || strings.Count(lines[1], masks["127.0.0.9"]) != 1 || strings.Count(lines[1], masks["127.61.2.3"]) != 1 {
		t.Errorf("the client's and the peer's masks aren't where they belong:\n%s", strings.Join(lines, "\n"))
	}
}

// Case 9: of a request that was scrubbed, the debug log shows no mask where a guess was right.
func TestCase9ScrubbedRequestsAreNoOracle(t *testing.T) {
	a := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Echo", "127.61.2.2, 127.61.2.3") })
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		log {
			output file {DIR}/access.log
			format masked
		}
		client_mask {
			site family
		}
		reverse_proxy `+a.Address()+`
	}`)
	for _, client := range []string{"127.61.2.3", "127.99.8.7"} {
		edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/", http.Header{"X-Guess": {"127.61.2.2, 127.61.2.3:80, 127.61.2.4"}, "Referer": {"http://x/7f3d0203"}})
	}
	testutil.Eventually(t, "the entries", func() bool { return strings.Count(e.ReadLog(t), "upstream roundtrip") == 2 })
	lines := edgetest.LogLines(t, filepath.Join(e.Dir, "access.log"), 2)
	for line := range strings.Lines(e.ReadLog(t)) {
		if strings.Contains(line, "upstream roundtrip") {
			lines = append(lines, line)
		}
	}
	for _, line := range lines {
		for _, want := range []string{`"X-Guess":["masked, masked, masked"]`, `"Referer":["http://x/masked"]`, `"X-Echo":["masked, masked"]`} {
			if !strings.Contains(line, want) {
				t.Errorf("no %s in %s", want, line)
			}
		}
	}
}

// Case 10: nothing of a look-up or a consent is logged, by whatever spelling of the path.
func TestCase10PagesOfTheEdgeInLogs(t *testing.T) {
	const mask = "2001:2f:1:2:3:4:5:6"
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
			data_dir {DIR}/data
			sightings {
				seal local
			}
		}
	}
	http://{SITE} {
		log {
			output file {DIR}/access.log
			format masked
		}
		client_mask
		vars {
			http.auth.user.id Alice
		}
		mask_info {
			path /who/
			wiki http://127.0.0.1:1/api.php
		}
		respond ok
	}`)
	paths := []string{"/.privacy/masks/?masks=" + mask + "&reason=Suspected", "/.privacy/masks/" + mask, "/%2Eprivacy/m%61sks/" + mask + "?reason=Suspected",
		"//.privacy/./masks/" + mask, "/.privacy/go?reason=Suspected", "/who/?masks=" + mask, "/who/" + mask}
	for _, path := range paths {
		edgetest.Send(t, edgetest.From(t, "127.61.2.3"), "GET", "http://"+e.Site+path, http.Header{"Referer": {"http://wiki.example" + path}, "X-Original-Url": {path}})
	}
	for i, line := range edgetest.LogLines(t, filepath.Join(e.Dir, "access.log"), len(paths)) {
		if strings.Contains(line, mask) || strings.Contains(line, "Suspected") {
			t.Errorf("%s is logged: %s", paths[i], line)
		}
	}
	if log := e.ReadLog(t); strings.Contains(log, mask) || strings.Contains(log, "Suspected") {
		t.Errorf("the debug log has it:\n%s", log)
	}
}

func TestPrivatePages(t *testing.T) {
	pages := privatePages{{prefix: "/.privacy/"}, {prefix: "/.privacy/masks/", whole: true}}
	for url, want := range map[string]string{
		"/.privacy/go?tool=maps":             "/.privacy/go",
		"/.PRIVACY/go?tool=maps":             "/.PRIVACY/go",
		"/.privacy/masks/M?reason=x":         "/.privacy/masks/",
		"/.privacy/masks":                    "/.privacy/masks/",
		"https://w.example/.privacy/masks/M": "https://w.example/.privacy/masks/",
		"/a/../.privacy/masks/M":             "/.privacy/masks/",
		"/.privacy/exemptions#x":             "/.privacy/exemptions",
		"/w/index.php?title=A":               "",
		"https://w.example?a=/.privacy/":     "",
		"/":                                  "",
		"":                                   "",
		"/.privac":                           "",
		"/%zz":                               "",
	} {
		got, ours := pages.shown(url)
		if got != want || ours != (want != "") {
			t.Errorf("%s is shown as %q, %v; want %q", url, got, ours, want)
		}
	}
}

// Case 11: an encoder with an argument and options of its own is wrapped.
func TestCase11WrapsEncodersWithArgumentsAndBlocks(t *testing.T) {
	const client = "127.61.2.3"
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
		}
	}
	http://{SITE} {
		log {
			output file {DIR}/access.log
			format masked template "<ip> <uri> <agent> <own>" {
				site family
				names {
					own 192.0.2.55
				}
			}
		}
		log raw {
			output file {DIR}/raw.log
			format raw template "<ip>"
		}
		log filtered {
			output file {DIR}/filtered.log
			format masked filter {
				wrap json
				fields {
					request>remote_ip hash
					request>headers delete
				}
			}
		}
		client_mask
		respond ok
	}`)
	edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/?"+client, http.Header{"User-Agent": {"YaBrowser/24.1.0.0"}})
	mask, err := edgetest.Masker(t, "family").Client(netip.MustParseAddr(client))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := edgetest.LogLines(t, filepath.Join(e.Dir, "access.log"), 1)[0], mask.String()+" /?masked YaBrowser/24.1.0.0 masked"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := edgetest.LogLines(t, filepath.Join(e.Dir, "raw.log"), 1)[0]; got != client {
		t.Errorf("the raw log has %s", got)
	}
	// A hash of the address would tell it to whoever hashes all addresses.
	filter := logging.HashFilter{}
	hashed := filter.Filter(zapcore.Field{Type: zapcore.StringType, String: edgetest.ClientMask(t, client)}).String
	if got := edgetest.LogLines(t, filepath.Join(e.Dir, "filtered.log"), 1)[0]; !strings.Contains(got, `"remote_ip":"`+hashed+`"`) {
		t.Errorf("the hash isn't the mask's, %s: %s", hashed, got)
	}
	for _, bad := range []string{"masked template", "masked template {\nnames {\nx y\n}\n}", "masked template a {\nx\n}", "masked masked", "raw masked"} {
		if err := edgetest.Validate(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nlog {\nformat "+bad+"\n}\nclient_mask\n}\n"); err == nil {
			t.Errorf("format %s is valid", bad)
		}
	}
}

// Filters of headers, which are arrays, do what they do without masks; what they're given is masked.
func TestFiltersRewriteMaskedHeaders(t *testing.T) {
	const client = "127.61.2.3"
	e := edgetest.New(t, `{
		{GLOBAL}
	}
	http://{SITE} {
		log {
			output file {DIR}/access.log
			format masked filter {
				wrap json
				fields {
					request>headers>X-One regexp secret-[a-z]+ hidden
					request>headers>X-Two regexp secret-[a-z]+ hidden
					request>headers>X-Hash hash
				}
			}
		}
		client_mask
		respond ok
	}`)
	edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/", http.Header{
		"X-One": {"secret-a from " + client}, "X-Two": {"secret-a", "secret-b"}, "X-Hash": {client}, "X-Kept": {"secret-a"},
	})
	hash := logging.HashFilter{}
	hashed := hash.Filter(zapcore.Field{String: masklog.Masked}).String
	got := edgetest.LogLines(t, filepath.Join(e.Dir, "access.log"), 1)[0]
	for _, want := range []string{`"X-One":["hidden from masked"]`, `"X-Two":["hidden","hidden"]`, `"X-Hash":["` + hashed + `"]`, `"X-Kept":["secret-a"]`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// Friction 2: what stands in the config stays readable, with its ports.
func TestFriction2ServersOfTheConfigStayReadable(t *testing.T) {
	const client = "127.61.2.3"
	upstream := edgetest.FreePort(t)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			secret `+edgetest.Secret+`
			network office 127.61.0.0/16
		}
	}
	http://{SITE} {
		@office original_client_ip 127.61.2.3
		client_mask
		header @office X-Office yes
		reverse_proxy `+upstream+`
	}`)
	edgetest.Send(t, edgetest.From(t, client), "GET", "http://"+e.Site+"/?"+client, http.Header{"X-Note": {client, upstream}})
	testutil.Eventually(t, "the error", func() bool { return strings.Contains(e.ReadLog(t), `"logger":"http.log.error`) })
	log := e.ReadLog(t)
	if want := "dial tcp " + upstream + ": connect: connection refused"; !strings.Contains(log, want) {
		t.Errorf("no %q in:\n%s", want, log)
	}
	if strings.Contains(log, "127.61.") {
		t.Errorf("the log holds the client:\n%s", log)
	}

	// On one machine the client has the upstream's address: where the client is named, the mask stands.
	edgetest.Send(t, edgetest.From(t, "127.0.0.1"), "GET", "http://"+e.Site+"/local", nil)
	testutil.Eventually(t, "the second error", func() bool { return strings.Count(e.ReadLog(t), `"logger":"http.log.error`) > 1 })
	for line := range strings.Lines(e.ReadLog(t)) {
		if strings.Contains(line, "/local") && strings.Contains(line, `"logger":"http.log.error`) {
			if !strings.Contains(line, "dial tcp "+upstream) || !strings.Contains(line, `"remote_ip":"`+edgetest.ClientMask(t, "127.0.0.1")) || strings.Contains(line, `_ip":"127.0.0.1`) {
				t.Errorf("got %s", line)
			}
		}
	}
}
