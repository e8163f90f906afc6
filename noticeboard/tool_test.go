package noticeboard

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOrigin(t *testing.T) {
	for _, tc := range []struct{ name, origin, want, reason string }{
		{name: "plain", origin: "https://tool.example.org", want: "https://tool.example.org"},
		{name: "slash", origin: "https://tool.example.org/", want: "https://tool.example.org"},
		{name: "capitals", origin: "HTTPS://Tool.Example.ORG", want: "https://tool.example.org"},
		{name: "default port", origin: "https://tool.example.org:443", want: "https://tool.example.org"},
		{name: "default port with a zero", origin: "https://tool.example.org:0443", want: "https://tool.example.org"},
		{name: "other port", origin: "https://tool.example.org:8443", want: "https://tool.example.org:8443"},
		{name: "international name", origin: "https://Bücher.example.org", want: "https://xn--bcher-kva.example.org"},
		{name: "below a shared suffix", origin: "https://maps.toolforge.org", want: "https://maps.toolforge.org"},
		{name: "none", origin: "", reason: "is missing"},
		{name: "another directive", origin: "https://tool.example.org; script-src *", reason: "isn't an origin"},
		{name: "another policy", origin: "https://tool.example.org,default-src *", reason: "isn't"},
		{name: "http", origin: "http://tool.example.org", reason: "isn't https"},
		{name: "ftp", origin: "ftp://tool.example.org", reason: "isn't https"},
		{name: "no scheme", origin: "tool.example.org", reason: "isn't an origin"},
		{name: "opaque", origin: "https:tool.example.org", reason: "isn't an origin"},
		{name: "no host", origin: "https:///x", reason: "isn't an origin"},
		{name: "broken", origin: "https://[::1", reason: "isn't an origin"},
		{name: "control byte", origin: "https://tool.example.org\r\n", reason: "isn't an origin"},
		{name: "user name", origin: "https://tool.example.org@evil.example.org", reason: "holds a user name"},
		{name: "empty user name", origin: "https://@tool.example.org", reason: "holds a user name"},
		{name: "path", origin: "https://tool.example.org/api", reason: "more than scheme, host and port"},
		{name: "query", origin: "https://tool.example.org?a", reason: "more than scheme, host and port"},
		{name: "empty query", origin: "https://tool.example.org?", reason: "more than scheme, host and port"},
		{name: "fragment", origin: "https://tool.example.org/#a", reason: "more than scheme, host and port"},
		{name: "empty fragment", origin: "https://tool.example.org/#", reason: "more than scheme, host and port"},
		{name: "backslash", origin: `https://tool.example.org\@evil.example.org`, reason: "isn't an origin"},
		{name: "trailing dot", origin: "https://tool.example.org.", reason: "ends in a dot"},
		{name: "ideographic dot at the end", origin: "https://tool.example.org。", reason: "ends in a dot"},
		{name: "empty port", origin: "https://tool.example.org:", reason: "empty port"},
		{name: "port 0", origin: "https://tool.example.org:0", reason: "isn't from 1 to 65535"},
		{name: "port 65536", origin: "https://tool.example.org:65536", reason: "isn't from 1 to 65535"},
		{name: "wildcard", origin: "https://*.example.org", reason: "is a wildcard"},
		{name: "bare suffix", origin: "https://org", reason: "single label"},
		{name: "public suffix", origin: "https://co.uk", reason: "is a public suffix"},
		{name: "shared suffix", origin: "https://toolforge.org", reason: "is a public suffix"},
		{name: "private address", origin: "https://10.0.0.1", reason: "is an address"},
		{name: "public address", origin: "https://8.8.8.8", reason: "is an address"},
		{name: "IPv6 address", origin: "https://[2001:db8::1]", reason: "is an address"},
		{name: "mapped address", origin: "https://[::ffff:127.0.0.1]:8443", reason: "is an address"},
		{name: "zoned address", origin: "https://[fe80::1%25eth0]", reason: "percent sign"},
		{name: "decimal address", origin: "https://2130706433", reason: "is an address"},
		{name: "octal address", origin: "https://0177.0.0.01", reason: "is an address"},
		{name: "hex address", origin: "https://0x7F000001", reason: "is an address"},
		{name: "short hex address", origin: "https://127.0x", reason: "is an address"},
		{name: "short address", origin: "https://127.1", reason: "is an address"},
		{name: "full-width address", origin: "https://１２７.１", reason: "is an address"},
		{name: "loopback", origin: "https://127.0.0.1", reason: "is an address"},
		{name: "localhost", origin: "https://localhost:3000", reason: "is a local name"},
		{name: "below localhost", origin: "https://a.localhost", reason: "is a local name"},
		{name: "mDNS name", origin: "https://printer.local", reason: "is a local name"},
		{name: "cloud metadata name", origin: "https://metadata.google.internal", reason: "is a local name"},
		{name: "home network", origin: "https://nas.home.arpa", reason: "is a local name"},
		{name: "onion", origin: "https://abc.onion", reason: "is a local name"},
		// Case 65.
		{name: "private LAN", origin: "https://tiles.lan", reason: "is a private name: .lan"},
		{name: "private corp", origin: "https://wiki.corp", reason: "is a private name: .corp"},
		{name: "private test", origin: "https://tool.test", reason: "is a private name: .test"},
		{name: "private home", origin: "https://nas.home", reason: "is a private name: .home"},
		{name: "private mail", origin: "https://a.b.mail", reason: "is a private name: .mail"},
		{name: "private, in capitals", origin: "https://TOOL.IntraNet", reason: "is a private name: .intranet"},
		{name: "private, full width", origin: "https://tool．ｌａｎ", reason: "is a private name: .lan"},
		{name: "local domain", origin: "https://tool.localdomain:8443", reason: "is a private name: .localdomain"},
		{name: "reverse name", origin: "https://1.168.192.in-addr.arpa", reason: "is a local name"},
		{name: "intranet", origin: "https://intranet", reason: "single label"},
		{name: "underscore", origin: "https://a_b.example.org", reason: "isn't a valid DNS name"},
		{name: "empty label", origin: "https://a..example.org", reason: "isn't a valid DNS name"},
		{name: "overlong label", origin: "https://" + strings.Repeat("a", 64) + ".example.org", reason: "isn't a valid DNS name"},
		{name: "escaped dot", origin: "https://127%2e1", reason: "isn't an origin"},
		{name: "space", origin: "https://a b.example.org", reason: "isn't an origin"},
		{name: "broken punycode", origin: "https://xn--a.example.org", reason: "isn't a valid DNS name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := (&Tool{Name: "maps", Origin: tc.origin}).normalised()
			if tc.reason != "" {
				if err == nil || !strings.Contains(err.Error(), tc.reason) || !strings.HasPrefix(err.Error(), `tool "maps": origin `) {
					t.Fatalf("error %v, want one that names the tool and says %q", err, tc.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Origin != tc.want {
				t.Fatalf("origin %q, want %q", got.Origin, tc.want)
			}
		})
	}
}

func TestLoopbackOption(t *testing.T) {
	for _, tc := range []struct{ name, origin, want, reason string }{
		{name: "http address", origin: "http://127.0.0.1:9000", want: "http://127.0.0.1:9000"},
		{name: "https address", origin: "https://127.8.9.10", want: "https://127.8.9.10"},
		{name: "IPv6", origin: "http://[0::1]:80", want: "http://[::1]"},
		{name: "localhost", origin: "http://LocalHost:9000", want: "http://localhost:9000"},
		{name: "private", origin: "http://10.0.0.1", reason: "isn't loopback"},
		{name: "public name", origin: "https://tool.example.org", reason: "isn't loopback"},
		{name: "below localhost", origin: "http://a.localhost", reason: "isn't loopback"},
		{name: "mapped", origin: "http://[::ffff:127.0.0.1]", reason: "isn't loopback"},
		{name: "zoned", origin: "http://[::1%25lo]", reason: "percent sign"},
		{name: "any address", origin: "http://0.0.0.0", reason: "isn't loopback"},
		{name: "other scheme", origin: "ftp://127.0.0.1", reason: "isn't https"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := (&Tool{Name: "demo", Origin: tc.origin, AllowLoopback: true}).normalised()
			if tc.reason != "" {
				if err == nil || !strings.Contains(err.Error(), tc.reason) {
					t.Fatalf("error %v, want one that says %q", err, tc.reason)
				}
				return
			}
			if err != nil || got.Origin != tc.want {
				t.Fatalf("origin %+v, %v; want %q", got, err, tc.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	base := Tool{Name: "maps", Origin: "https://maps.example.org"}
	for _, tc := range []struct {
		name   string
		change func(*Tool)
		reason string // "" where the declaration is good
	}{
		{"bare", func(*Tool) {}, ""},
		{"longest name", func(t *Tool) { t.Name = strings.Repeat("a", 63) }, ""},
		{"too long a name", func(t *Tool) { t.Name = strings.Repeat("a", 64) }, "name must be"},
		{"no name", func(t *Tool) { t.Name = "" }, "name must be"},
		{"capital", func(t *Tool) { t.Name = "Maps" }, "name must be"},
		{"hyphen first", func(t *Tool) { t.Name = "-maps" }, "name must be"},
		{"dots", func(t *Tool) { t.Name = ".." }, "name must be"},
		{"slash", func(t *Tool) { t.Name = "a/b" }, "name must be"},
		{"line break", func(t *Tool) { t.Name = "maps\n" }, "name must be"},
		{"host", func(t *Tool) { t.Hosts = []string{"tiles.example.org:8443"} }, ""},
		{"host as an origin", func(t *Tool) { t.Hosts = []string{"https://tiles.example.org"} }, "isn't a host"},
		{"host with a path", func(t *Tool) { t.Hosts = []string{"tiles.example.org/a"} }, "isn't a host"},
		{"host with a user", func(t *Tool) { t.Hosts = []string{"a@tiles.example.org"} }, "isn't a host"},
		{"empty host", func(t *Tool) { t.Hosts = []string{""} }, "isn't a host"},
		{"private host", func(t *Tool) { t.Hosts = []string{"169.254.169.254"} }, "is an address"},
		{"wildcard host", func(t *Tool) { t.Hosts = []string{"*.example.org"} }, "is a wildcard"},
		{"all kinds", func(t *Tool) { t.Kinds = Kinds() }, ""},
		{"unknown kind", func(t *Tool) { t.Kinds = []Kind{"image"} }, `kind "image" is unknown: use some of`},
		{"script", func(t *Tool) { t.Kinds = []Kind{"script"} }, `kind "script" isn't allowed`},
		{"frame", func(t *Tool) { frameTool(t, ByConsent) }, ""},
		{"frame beside the proxy", func(t *Tool) { frameTool(t, ByBoth, Img) }, ""},
		{"frame by the proxy", func(t *Tool) { frameTool(t, ByProxy) }, `kind "frame" isn't allowed by the proxy`},
		{"frame in a mirror", func(t *Tool) { frameTool(t, ByProxy); t.Mirror = []MirrorFile{{"/b", testIntegrity}} }, `kind "frame" isn't allowed by the proxy`},
		{"nothing for the proxy", func(t *Tool) { frameTool(t, ByBoth) }, "the proxy serves no frames"},
		{"leads away", func(t *Tool) { frameTool(t, ByConsent); t.Sandbox = []string{"allow-scripts", "allow-top-navigation"} }, `sandbox "allow-top-navigation" isn't one`},
		{"popup that escapes", func(t *Tool) {
			frameTool(t, ByConsent)
			t.Sandbox = []string{"allow-popups", "allow-popups-to-escape-sandbox"}
		}, `sandbox "allow-popups-to-escape-sandbox" isn't one`},
		{"leads away by a click", func(t *Tool) {
			frameTool(t, ByConsent)
			t.Sandbox = []string{"allow-top-navigation-by-user-activation"}
		}, `sandbox "allow-top-navigation-by-user-activation" isn't one`},
		{"two directives", func(t *Tool) { frameTool(t, ByConsent); t.Sandbox = []string{"allow-scripts; frame-src *"} }, "isn't one that a page in a frame may have"},
		{"camera", func(t *Tool) { frameTool(t, ByConsent); t.Allow = []string{"camera"} }, `allow "camera" isn't one`},
		{"feature for all", func(t *Tool) { frameTool(t, ByConsent); t.Allow = []string{"fullscreen *"} }, `allow "fullscreen *" isn't one`},
		{"sandbox of nothing", func(t *Tool) { t.Sandbox = []string{"allow-scripts"} }, `sandbox is for the kind "frame"`},
		{"features of nothing", func(t *Tool) { t.Allow = []string{"fullscreen"} }, `allow is for the kind "frame"`},
		{"lower-case method", func(t *Tool) { t.Methods = []string{"get"} }, ""},
		{"POST", func(t *Tool) { t.Methods = []string{"POST"} }, ""},
		{"PUT", func(t *Tool) { t.Methods = []string{"PUT"} }, `method "PUT" isn't supported`},
		{"control character", func(t *Tool) { t.Purpose = "a\x00" }, "purpose holds control characters"},
		{"broken UTF-8", func(t *Tool) { t.Title = "a\xff" }, "title holds control characters or broken UTF-8"},
		{"long text", func(t *Tool) { t.Sends = strings.Repeat("é", 1001) }, "sends is longer than 1000"},
		{"longest text", func(t *Tool) { t.Sends = strings.Repeat("é", 1000) }, ""},
		{"source", func(t *Tool) { t.Source = "https://git.example.org/maps" }, ""},
		{"script link", func(t *Tool) { t.Source = "javascript:alert(1)" }, "source"},
		{"policy without scheme", func(t *Tool) { t.Privacy = "maps.example.org/privacy" }, "isn't a web address"},
		{"negative size", func(t *Tool) { t.MaxSize = -1 }, "max_size must be"},
		{"negative timeout", func(t *Tool) { t.Timeout = -1 }, "timeout must be"},
		{"endless timeout", func(t *Tool) { t.Timeout = Duration(25 * time.Hour) }, "timeout must be"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tool := base
			tc.change(&tool)
			err := tool.Validate()
			switch {
			case tc.reason == "" && err != nil:
				t.Fatal(err)
			case tc.reason != "" && (err == nil || !strings.Contains(err.Error(), tc.reason)):
				t.Fatalf("error %v, want one that says %q", err, tc.reason)
			}
		})
	}
}

// frameTool has the tool show pages in frames.
func frameTool(t *Tool, access Access, more ...Kind) {
	t.Access, t.Kinds = access, append(more, Frame)
	t.Sandbox, t.Allow = []string{"allow-scripts", "allow-same-origin"}, []string{"fullscreen"}
}

func TestNormalForm(t *testing.T) {
	declared := &Tool{
		Name: "maps", Origin: "https://Maps.example.org:443", Kinds: []Kind{Style, Data, Style}, Methods: []string{"get", "GET"},
		Hosts: []string{"Tiles.example.org:443", "tiles.example.org", "maps.example.org", "tiles.example.org:444"},
	}
	got, err := declared.normalised()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"https://maps.example.org", "https://tiles.example.org", "https://tiles.example.org:444"}
	if !slices.Equal(got.Origins(), want) {
		t.Errorf("origins %q, want %q", got.Origins(), want)
	}
	if !slices.Equal(got.Kinds, []Kind{Data, Style}) || !slices.Equal(got.Methods, []string{"GET"}) {
		t.Errorf("kinds %q, methods %q: want each once", got.Kinds, got.Methods)
	}
	if got.Title != "maps" {
		t.Errorf("title %q, want the name", got.Title)
	}
	if declared.Hosts[0] != "Tiles.example.org:443" || declared.Kinds[0] != Style || declared.Methods[0] != "get" {
		t.Error("the caller's declaration was changed")
	}
	bare, err := (&Tool{Name: "maps", Origin: "https://maps.example.org"}).normalised()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(bare.Kinds, []Kind{Img, Data}) && !slices.Equal(bare.Kinds, []Kind{Data, Img}) {
		t.Errorf("default kinds %q", bare.Kinds)
	}
	if bare.Has(Style) || !bare.Has(Data) {
		t.Error("Has doesn't tell the kinds apart")
	}
}

func TestBoard(t *testing.T) {
	board, err := New([]*Tool{
		{Name: "b", Origin: "https://b.example.org"},
		{Name: "a", Origin: "https://a.example.org"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tool := range board.All() {
		names = append(names, tool.Name)
	}
	if !slices.Equal(names, []string{"b", "a"}) {
		t.Errorf("order %q, want the declared one", names)
	}
	if tool, ok := board.Lookup("a"); !ok || tool.Origin != "https://a.example.org" {
		t.Errorf("Lookup(a) = %+v, %v", tool, ok)
	}
	if _, ok := board.Lookup("c"); ok {
		t.Error("Lookup finds a tool that isn't declared")
	}
	for _, tc := range []struct {
		name   string
		tools  []*Tool
		reason string
	}{
		{"duplicate", []*Tool{{Name: "a", Origin: "https://a.example.org"}, {Name: "a", Origin: "https://b.example.org"}}, `tool "a" is declared twice`},
		{"null", []*Tool{nil}, "tool 1 is null"},
		{"bad one", []*Tool{{Name: "a", Origin: "http://a.example.org"}}, `tool "a": origin`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := New(tc.tools); err == nil || !strings.Contains(err.Error(), tc.reason) {
				t.Fatalf("error %v, want one that says %q", err, tc.reason)
			}
		})
	}
}

func TestToolJSON(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     time.Duration
		bad      bool
	}{
		{name: "text", in: `{"timeout":"1m30s"}`, want: 90 * time.Second},
		{name: "nanoseconds", in: `{"timeout":1000000000}`, want: time.Second},
		{name: "null", in: `{"timeout":null}`},
		{name: "words", in: `{"timeout":"soon"}`, bad: true},
		{name: "list", in: `{"timeout":[]}`, bad: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var tool Tool
			err := json.Unmarshal([]byte(tc.in), &tool)
			if (err != nil) != tc.bad || time.Duration(tool.Timeout) != tc.want {
				t.Fatalf("got %v, %v", time.Duration(tool.Timeout), err)
			}
			if tc.bad {
				return
			}
			out, err := json.Marshal(tool)
			if err != nil {
				t.Fatal(err)
			}
			var again Tool
			if err := json.Unmarshal(out, &again); err != nil || again.Timeout != tool.Timeout {
				t.Fatalf("%s reads back as %v, %v", out, again.Timeout, err)
			}
		})
	}
}

func FuzzTool(f *testing.F) {
	f.Add("https://tool.example.org:8443", "tiles.example.org", false)
	f.Add("http://[::1]:9", "localhost", true)
	f.Add("https://１２７.１/", "a b", false)
	f.Add("https://xn--bcher-kva.example.org.", "::", false)
	f.Add("HTTPS://a@b:c?d#e", "*.org", true)
	f.Add("https://0.\xd30", "0.\xd30", false)
	f.Fuzz(func(t *testing.T, origin, host string, loopback bool) {
		tool, err := (&Tool{Name: "a", Origin: origin, Hosts: []string{host}, AllowLoopback: loopback}).normalised()
		if err != nil {
			return
		}
		again, err := tool.normalised()
		if err != nil || !slices.Equal(again.Origins(), tool.Origins()) {
			t.Fatalf("%q isn't in normal form: %+v, %v", tool.Origins(), again, err)
		}
		for _, o := range tool.Origins() {
			if !loopback && !strings.HasPrefix(o, "https://") || strings.ContainsAny(o, "@?#\\ *%\r\n,;'\"") || strings.ToLower(o) != o {
				t.Fatalf("origin %q got through", o)
			}
		}
	})
}

// Rewriting leads to the proxy, and from one address to one tool.
func TestRewriteDeclared(t *testing.T) {
	tool := func(name string, access Access) *Tool {
		return &Tool{Name: name, Origin: "https://maps.example.org", Access: access, Rewrite: true}
	}
	mirror := &Tool{Name: "files", Origin: "https://maps.example.org", Kinds: []Kind{Img}, Mirror: []MirrorFile{{"/a.png", testIntegrity}}, Rewrite: true}
	other := *mirror // by another way, the same file
	other.Name, other.Origin, other.Hosts = "other", "https://other.example.org", []string{"maps.example.org"}
	other.Mirror = []MirrorFile{{"https://maps.example.org/a.png", testIntegrity}}
	for name, tt := range map[string]struct {
		tools  []*Tool
		reason string
	}{
		"one":        {[]*Tool{tool("a", ByBoth), mirror}, ""},
		"by consent": {[]*Tool{tool("a", ByConsent)}, `rewrite leads gadgets to the proxy: make access "proxy" or "both"`},
		"mirrors":    {[]*Tool{mirror, &other}, `tools "files" and "other" both lead gadgets from https://maps.example.org/a.png to the proxy`},
		"two":        {[]*Tool{tool("a", ByProxy), tool("b", ByBoth)}, `tools "a" and "b" both lead gadgets from https://maps.example.org to the proxy`},
	} {
		if _, err := New(tt.tools); (err == nil) != (tt.reason == "") || err != nil && !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
