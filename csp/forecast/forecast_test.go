package forecast

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const site = "https://wiki.example"

var (
	monday  = time.Date(2026, 7, 6, 8, 0, 0, 0, time.UTC)
	tuesday = monday.Add(24 * time.Hour)
)

// seen makes a snapshot of groups, as a collector would.
func seen(views uint64, groups ...reports.Group) *reports.Snapshot {
	s := &reports.Snapshot{First: monday.Truncate(24 * time.Hour), Last: tuesday.Truncate(24 * time.Hour), Groups: groups, PageViews: views}
	byOrigin := make(map[reports.Report]reports.Group)
	for _, g := range groups {
		key := g.Report
		key.Gadget, key.Page = "", ""
		o, known := byOrigin[key]
		if !known {
			o = reports.Group{Report: key, First: g.First, Last: g.Last}
		}
		o.Count += g.Count
		if g.First.Before(o.First) {
			o.First = g.First
		}
		if g.Last.After(o.Last) {
			o.Last = g.Last
		}
		byOrigin[key] = o
		s.Accepted += g.Count
	}
	for _, o := range byOrigin {
		s.Origins = append(s.Origins, o)
	}
	return s
}

func group(n uint64, directive, blocked, gadget string) reports.Group {
	g := reports.Group{
		Report: reports.Report{Directive: directive, Blocked: blocked, Gadget: gadget, Disposition: reports.ReportOnly},
		Count:  n, First: monday, Last: tuesday,
	}
	if gadget == "" {
		g.Page = "/wiki/Main_Page"
	}
	return g
}

func mustPolicy(t testing.TB, text string) csp.Policy {
	t.Helper()
	p, err := ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mediawiki(t testing.TB) csp.Policy {
	t.Helper()
	p, err := csp.Preset("mediawiki")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func make1(t testing.TB, in Input) *Forecast {
	t.Helper()
	if in.Page == "" {
		in.Page = site
	}
	if in.Policy.String() == "" {
		in.Policy = mediawiki(t)
	}
	f, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGadgetsAndCounts(t *testing.T) {
	f := make1(t, Input{
		Reports: seen(1000,
			group(50, "img-src", "https://maps.example.org", ""),
			group(10, "connect-src", "https://maps.example.org", "/w/load.php"),
			group(30, "font-src", "https://fonts.example.org", "MediaWiki:Gadget-fonts.css"),
			group(20, "media-src", "https://sound.example.org", "ext.gadget.sound|ext.gadget.clock"),
			group(5, "img-src", "https://forged.example.org", ""),
			group(7, "script-src-elem", "inline", ""),
			group(9, "img-src", "data", ""), // which the policy allows
		),
		Code: []Code{
			{"maps", "MediaWiki:Gadget-maps.js", "new Image().src = 'https://maps.example.org/tile/1.png'"},
			{"fonts", "MediaWiki:Gadget-fonts.css", "src: url(//fonts.example.org/a.woff2)"},
			{"sound", "MediaWiki:Gadget-sound.js", `var host = "sound.example.org";`},
			{"clock", "MediaWiki:Gadget-clock.js", "// not notsound.example.org, nor sound.example.org.evil, nor sound.example.org:8443"},
		},
	})
	var got []string
	for _, g := range f.Gadgets {
		got = append(got, fmt.Sprintf("%s by %s: %s of %s, %d, %.3f, %s to %s", g.Name, g.Evidence, join(g.Kinds), strings.Join(g.Origins, " "), g.Count, g.Share, day(g.First), day(g.Last)))
	}
	want := []string{
		"maps by code: data, img of https://maps.example.org, 60, 0.060, 2026-07-06 to 2026-07-07",
		"fonts by reports: font of https://fonts.example.org, 30, 0.030, 2026-07-06 to 2026-07-07",
		"sound by reports: media of https://sound.example.org, 20, 0.020, 2026-07-06 to 2026-07-07",
		" by : img of https://forged.example.org, 5, 0.005, 2026-07-06 to 2026-07-07",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if last := f.Tools[len(f.Tools)-1]; last.Origin != "https://forged.example.org" || !slices.Equal(last.Pages, []string{"/wiki/Main_Page"}) ||
		!strings.Contains(strings.Join(last.Drafts[0].Basis, "\n"), "may be forged") {
		t.Errorf("what no code names: %+v", last)
	}
	if len(f.Code) != 0 {
		t.Errorf("the policy allows inline code, yet %+v", f.Code)
	}
}

// What browsers said is narrowed by the code only where they named several.
func TestWho(t *testing.T) {
	code := []Code{
		{"a", "MediaWiki:Gadget-A.js", "https://x.example.org"}, {"b", "MediaWiki:Gadget-B.js", "https://x.example.org"},
		{"c", "MediaWiki:Gadget-C.js", "https://y.example.org"}, {"site", "MediaWiki:Common.js", "https://z.example.org"},
	}
	for name, c := range map[string]struct {
		gadget string
		want   string
	}{
		"nobody named":              {"", "a/code b/code"},
		"a page of code":            {"MediaWiki:Gadget-A.js", "a/reports"},
		"a page with spaces":        {"MediaWiki:Gadget-A b.js", "MediaWiki:Gadget-A b.js/reports"},
		"a module":                  {"ext.gadget.b", "b/reports"},
		"modules":                   {"ext.gadget.b|ext.gadget.c", "b/reports"},
		"modules that don't do it":  {"ext.gadget.c|ext.gadget.d", "c/reports d/reports"},
		"too many modules":          {"ext.gadget.*", "a/code b/code"},
		"load.php":                  {"/w/load.php", "a/code b/code"},
		"another file of the wiki":  {"/w/skins/x.js", "a/code b/code"},
		"the site's module":         {"site", "site/reports"},
		"another origin's script":   {"https://cdn.example/lib.js", "https://cdn.example/lib.js/reports"},
		"a page that is not a page": {"User:*/common.js", "User:*/common.js/reports"},
	} {
		t.Run(name, func(t *testing.T) {
			f := make1(t, Input{Reports: seen(10, group(1, "img-src", "https://x.example.org", c.gadget)), Code: code})
			var got []string
			for _, who := range f.Tools[0].Gadgets {
				got = append(got, who.Name+"/"+string(who.Evidence))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// One load that both a policy and the one on trial block is reported twice.
func TestDispositionsAreNotAddedUp(t *testing.T) {
	a, b, c := group(10, "img-src", "https://x.example.org", ""), group(8, "img-src", "https://x.example.org", ""), group(3, "img-src", "https://x.example.org", "")
	b.Disposition, c.Disposition = reports.Enforced, reports.NotSaid
	b.First = monday.Add(-time.Hour)
	b.Count = 12
	if got := make1(t, Input{Reports: seen(5, a, b, c)}).Tools[0].Count; got != 15 {
		t.Errorf("where more were enforced: %d reports, want 15", got)
	}
	b.Count = 8
	f := make1(t, Input{Reports: seen(5, a, b, c)})
	if got := f.Tools[0].Total; got.Count != 13 || got.Share != 1 || !got.First.Equal(b.First) {
		t.Errorf("got %+v, want 13 reports, a share of 1, since %v", got, b.First)
	}
}

func TestStatus(t *testing.T) {
	const origin = "https://x.example.org"
	tool := func(change func(*noticeboard.Tool)) []*noticeboard.Tool {
		tool := &noticeboard.Tool{Name: "x", Origin: origin, Kinds: []noticeboard.Kind{"img"}}
		change(tool)
		board, err := noticeboard.New([]*noticeboard.Tool{tool})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Collect(board.All())
	}
	for name, c := range map[string]struct {
		tools  []*noticeboard.Tool
		status Status
		drafts string // tools and kinds
		path   string
	}{
		"undeclared":              {nil, Undeclared, "x-example-org data img proxy", "/.tools/x-example-org"},
		"another tool's host":     {tool(func(t *noticeboard.Tool) { t.Origin = "https://y.example.org" }), Undeclared, "x-example-org data img proxy", "/.tools/x-example-org"},
		"proxied, a kind missing": {tool(func(*noticeboard.Tool) {}), Proxied, "x data img proxy amends", "/.tools/x"},
		"proxied with all kinds":  {tool(func(t *noticeboard.Tool) { t.Kinds = append(t.Kinds, "data") }), Proxied, "", "/.tools/x"},
		"redirects only": {tool(func(t *noticeboard.Tool) { t.Origin, t.Hosts = "https://y.example.org", []string{"x.example.org"} }),
			Undeclared, "x-example-org data img proxy", "/.tools/x-example-org"},
		"consent": {tool(func(t *noticeboard.Tool) { t.Access, t.Kinds = "consent", []noticeboard.Kind{"data", "img"} }), Consent, "", ""},
		"consent, a host": {tool(func(t *noticeboard.Tool) {
			t.Access, t.Origin, t.Hosts = "consent", "https://y.example.org", []string{"x.example.org"}
		}), Consent, "x data img consent amends", ""},
		"disabled": {tool(func(t *noticeboard.Tool) { t.Disabled = true }), Unusable, "", ""},
		"disabled, redirects only": {tool(func(t *noticeboard.Tool) {
			t.Origin, t.Hosts, t.Disabled = "https://y.example.org", []string{"x.example.org"}, true
		}), Undeclared, "x-example-org data img proxy", "/.tools/x-example-org"},
		"disabled, before another": {append(tool(func(t *noticeboard.Tool) { t.Disabled = true }), tool(func(t *noticeboard.Tool) {
			t.Name, t.Access, t.Kinds = "y", "consent", []noticeboard.Kind{"data", "img"}
		})...), Consent, "", ""},
		"the name is taken": {tool(func(t *noticeboard.Tool) { t.Name, t.Origin = "x-example-org", "https://y.example.org" }),
			Undeclared, "x-example-org-2 data img proxy", "/.tools/x-example-org-2"},
	} {
		t.Run(name, func(t *testing.T) {
			f := make1(t, Input{
				Reports: seen(10, group(2, "img-src", origin, ""), group(1, "connect-src", origin, "")),
				Tools:   c.tools,
			})
			got := f.Tools[0]
			var drafts []string
			for _, d := range got.Drafts {
				text := fmt.Sprintf("%s %s %s", d.Tool.Name, strings.ReplaceAll(join(d.Tool.Kinds), ",", ""), d.Tool.Access)
				if d.Amends {
					text += " amends"
				}
				drafts = append(drafts, text)
			}
			if got.Status != c.status || strings.Join(drafts, "; ") != c.drafts || strings.Join(got.Paths, " ") != c.path {
				t.Errorf("got %s, %q, %q", got.Status, drafts, got.Paths)
			}
		})
	}
}

// Where several tools have an origin, the proxied one counts, else the first.
func TestStatusOfSeveralTools(t *testing.T) {
	consent := &noticeboard.Tool{Name: "consent", Origin: "https://x.example.org", Kinds: []noticeboard.Kind{"img"}, Access: "consent"}
	second := &noticeboard.Tool{Name: "second", Origin: "https://x.example.org", Kinds: []noticeboard.Kind{"img"}, Access: "consent"}
	proxied := &noticeboard.Tool{Name: "proxied", Origin: "https://x.example.org", Kinds: []noticeboard.Kind{"data"}, Access: "proxy"}
	for want, tools := range map[string][]*noticeboard.Tool{
		"consent": {consent, second}, "proxied data": {consent, proxied, second}, "proxied img": {proxied, consent},
	} {
		board, err := noticeboard.New(tools)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(want, " ")
		f := make1(t, Input{Reports: seen(10, group(2, "img-src", "https://x.example.org", "")), Tools: slices.Collect(board.All())})
		if got := f.Tools[0]; got.Declared != name || (name == "proxied") != (len(got.Missing) == 1) {
			t.Errorf("%s: %s, without %v", want, got.Declared, got.Missing)
		}
	}
}

// What can't be declared is said, and nothing is drafted that the noticeboard refuses.
func TestObstacles(t *testing.T) {
	for name, c := range map[string]struct {
		directive, blocked string
		drafts             int
		want               string
	}{
		"frame":             {"frame-src", "https://x.example.org", 1, ""},
		"frame of nowhere":  {"frame-src", "https://192.0.2.1", 0, "is an address"},
		"object":            {"object-src", "https://x.example.org", 0, "object-src can't be declared"},
		"plain WebSocket":   {"connect-src", "ws://x.example.org", 1, "asked for by ws: see whether it can be reached by wss"},
		"http":              {"img-src", "http://x.example.org", 1, "asked for by http"},
		"address":           {"img-src", "https://192.0.2.1", 0, "is an address"},
		"local name":        {"img-src", "https://printer.local", 0, "is a local name"},
		"public suffix":     {"img-src", "https://github.io", 0, "public suffix"},
		"reader's machine":  {"connect-src", "http://127.0.0.1:8080", 0, "can't be declared"},
		"underscore":        {"img-src", "https://a_b.example.org", 0, "isn't a valid DNS name"},
		"script":            {"script-src-elem", "https://x.example.org", 1, ""},
		"script of nowhere": {"script-src-elem", "https://192.0.2.1", 0, "is an address"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := mustPolicy(t, "default-src 'none'")
			f := make1(t, Input{Reports: seen(0, group(1, c.directive, c.blocked, "")), Policy: policy})
			got := f.Tools[0]
			if len(got.Drafts) != c.drafts || !strings.Contains(strings.Join(got.Obstacles, "; "), c.want) {
				t.Errorf("%d drafts, obstacles %q", len(got.Drafts), got.Obstacles)
			}
		})
	}
}

// Case 21: browsers report the origin of a form whose answer redirects, and not where it leads.
func TestCase21OwnOriginIsARedirect(t *testing.T) {
	policy := mustPolicy(t, "default-src 'none'; form-action 'self'; img-src 'self'")
	f := make1(t, Input{
		Reports: seen(10, group(7, "form-action", "https://wiki.example", ""), group(2, "img-src", "https://wiki.example", ""), group(1, "img-src", "https://x.example.org", "")),
		Policy:  policy, Proposed: &policy,
	})
	if len(f.Code) != 2 || f.Code[0].Directive != "form-action" || f.Code[0].Verdict != csp.Depends || !strings.Contains(f.Code[0].Why, "redirect") {
		t.Errorf("code %+v", f.Code)
	}
	var b strings.Builder
	if err := f.WriteText(&b); err != nil || !strings.Contains(b.String(), "led to another one by a redirect") {
		t.Errorf("%v\n%s", err, b.String())
	}
	if n := len(f.Changes.NewlyAllowed) + len(f.Changes.NewlyBlocked) + len(f.Changes.Unclear); n != 0 {
		t.Errorf("%d changes of a policy against itself", n)
	}
}

// Case 22: a websocket can be declared.
func TestCase22WebSocketIsDrafted(t *testing.T) {
	policy := mustPolicy(t, "default-src 'none'")
	f := make1(t, Input{Reports: seen(10, group(5, "connect-src", "wss://stream.example.org", "")), Policy: policy})
	drafts := f.Drafts()
	if len(drafts) != 1 || len(f.Tools[0].Obstacles) != 0 {
		t.Fatalf("drafts %+v, obstacles %q", drafts, f.Tools[0].Obstacles)
	}
	text := Caddyfile(drafts)
	for _, want := range []string{"tool stream-example-org https://stream.example.org {", "\tkinds data\n", "\tstreams websocket\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if file, err := File(drafts); err != nil || !strings.Contains(string(file), `"streams": [`) {
		t.Errorf("%v\n%s", err, file)
	}
	// One tool for a host that is asked in both ways.
	f = make1(t, Input{Reports: seen(10, group(5, "connect-src", "wss://x.example.org", ""), group(4, "img-src", "https://x.example.org", "")), Policy: policy})
	if drafts = f.Drafts(); len(drafts) != 1 || !drafts[0].Tool.Has(noticeboard.Img) || !drafts[0].Tool.Opens(noticeboard.WebSocket) || drafts[0].Tool.Validate() != nil {
		t.Errorf("drafts %+v", drafts)
	}
	// A declared one gets the stream, and keeps all else.
	own := &noticeboard.Tool{
		Name: "x", Origin: "https://x.example.org", Kinds: []noticeboard.Kind{noticeboard.Data}, Streams: []noticeboard.Stream{noticeboard.Events},
		Refresh: []string{"/a", "data /b"}, Timeout: noticeboard.Duration(time.Second), ClientLimit: noticeboard.Rate{Count: 5, Per: time.Minute},
	}
	board, err := noticeboard.New([]*noticeboard.Tool{own})
	if err != nil {
		t.Fatal(err)
	}
	f = make1(t, Input{Reports: seen(10, group(5, "connect-src", "wss://x.example.org", "")), Policy: policy, Tools: slices.Collect(board.All())})
	if got := f.Tools[0].Standing(); got != "x, by proxy; the code still asks directly; without streams websocket" {
		t.Errorf("it stands as %s", got)
	}
	for _, want := range []string{"adds streams websocket", "\tstreams events websocket\n", "\trefresh /a \"data /b\"\n", "\ttimeout 1s\n", "\tclient_limit 5/1m0s\n"} {
		if text := Caddyfile(f.Drafts()); !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

// Case 59: anybody can send reports that name a gadget.
func TestCase59ForgedReports(t *testing.T) {
	in := Input{
		Reports: seen(1000, group(160, "connect-src", "https://evil.example.org", "ext.gadget.Maps"), group(1, "img-src", "https://maps.example.org", "ext.gadget.Maps")),
		Policy:  mustPolicy(t, "default-src 'none'"),
		Code:    []Code{{"Maps", "MediaWiki:Gadget-Maps.js", "'https://maps.example.org/'"}},
	}
	f := make1(t, in)
	if f.Tools[0].Origin != "https://maps.example.org" {
		t.Errorf("first is %s, which the code does not name", f.Tools[0].Origin)
	}
	for i, forged := range []bool{false, true} {
		basis := strings.Join(f.Tools[i].Drafts[0].Basis, "\n")
		if strings.Contains(basis, "may be forged") != forged || strings.Contains(basis, "its code does not name it") != forged {
			t.Errorf("%s: %s", f.Tools[i].Origin, basis)
		}
	}
	var b strings.Builder
	if err := f.WriteText(&b); err != nil || strings.Count(b.String(), "Maps (may be forged)") != 1 {
		t.Errorf("%v\n%s", err, b.String())
	}
	in.Code = nil
	if basis := strings.Join(make1(t, in).Tools[0].Drafts[0].Basis, "\n"); !strings.Contains(basis, "may be forged") {
		t.Errorf("without code: %s", basis)
	}
	// Names stay a host's, however many there are.
	names := map[string]bool{"evil-example": true, "": true}
	for _, tc := range []struct{ host, suffix, want string }{
		{"evil.example", "", "evil-example-2"}, {"evil.example", "-script", "evil-example-script"}, {"x.example", "", "x-example"}, {"...", "", "tool"}, {"...", "-script", "tool-script"},
	} {
		if got := freeName(tc.host, tc.suffix, names); got != tc.want {
			t.Errorf("%s%s becomes %s, want %s", tc.host, tc.suffix, got, tc.want)
		}
	}
}

// A script's draft does nothing until an operator has decided.
func TestScriptDraftIsRefusedUntilFilledIn(t *testing.T) {
	f := make1(t, Input{Reports: seen(0, group(3, "script-src-elem", "https://x.example.org", ""), group(1, "img-src", "https://x.example.org", ""))})
	drafts := f.Drafts()
	if len(drafts) != 2 || drafts[0].Tool.Name != "x-example-org-script" || drafts[1].Tool.Name != "x-example-org" {
		t.Fatalf("drafts %+v", drafts)
	}
	if err := drafts[0].Tool.Validate(); err == nil || !strings.Contains(err.Error(), "without executable") {
		t.Errorf("the script's draft: %v", err)
	}
	if drafts[1].Tool.Has(noticeboard.Script) {
		t.Error("the proxy's draft has the kind script")
	}
	drafts[0].Tool.Executable, drafts[0].Tool.Integrity = true, []string{"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}
	if err := drafts[0].Tool.Validate(); err != nil {
		t.Errorf("filled in: %v", err)
	}
}

// A sheet that comes by the proxy loads nothing, so one with fonts is drafted as a mirror: refused until it has
// the hashes, and no third party is asked for them.
func TestSheetWithFontsIsMirrored(t *testing.T) {
	const origin = "https://fonts.example.org"
	in := Input{
		Reports: seen(10, group(3, "style-src-elem", origin, ""), group(3, "font-src", origin, ""), group(1, "img-src", origin, "")),
		Policy:  mustPolicy(t, "default-src 'none'"),
		Code:    []Code{{"type", "MediaWiki:Gadget-type.js", "link.href = '" + origin + "/css2?family=Lora';"}},
	}
	f := make1(t, in)
	drafts := f.Drafts()
	if len(drafts) != 2 || !slices.Equal(f.Tools[0].Paths, []string{"/.tools/fonts-example-org-mirror", "/.tools/fonts-example-org"}) || len(f.Tools[0].Obstacles) > 0 {
		t.Fatalf("drafts %+v, paths %q, obstacles %q", drafts, f.Tools[0].Paths, f.Tools[0].Obstacles)
	}
	mirror, rest := drafts[0], drafts[1]
	if err := mirror.Tool.Validate(); err == nil || !strings.Contains(err.Error(), "isn't a hash") {
		t.Errorf("the mirror's draft: %v", err)
	}
	if rest.Tool.Has(noticeboard.Style) || rest.Tool.Has(noticeboard.Font) || !rest.Tool.Has(noticeboard.Img) {
		t.Errorf("the proxy's draft has %s", join(rest.Tool.Kinds))
	}
	text := Caddyfile(drafts)
	for _, want := range []string{
		"# a style sheet that comes by the proxy loads no fonts", "wikiveil tools pin fonts-example-org-mirror 'https://fonts.example.org/css2?family=Lora'\n",
		"\tkinds font style\n", "\tmirror /css2?family=Lora sha384-FILL-IN\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	in.Code = nil
	if text := Caddyfile(make1(t, in).Drafts()); !strings.Contains(text, "mirror /FILL-IN.css sha384-FILL-IN\n") {
		t.Errorf("without code:\n%s", text)
	}
	// Once both are declared nothing is missing; before, the proxied sheet doesn't count.
	mirror.Tool.Mirror[0].Integrity = someHash
	proxied := *rest.Tool
	proxied.Kinds = []noticeboard.Kind{noticeboard.Font, noticeboard.Img, noticeboard.Style}
	for name, c := range map[string]struct {
		declared []*noticeboard.Tool
		want     string
	}{
		"both":            {[]*noticeboard.Tool{mirror.Tool, rest.Tool}, ""},
		"both, otherwise": {[]*noticeboard.Tool{rest.Tool, mirror.Tool}, ""},
		"the mirror":      {[]*noticeboard.Tool{mirror.Tool}, "img"},
		"a proxied sheet": {[]*noticeboard.Tool{&proxied}, "font, style"},
	} {
		board, err := noticeboard.New(c.declared)
		if err != nil {
			t.Fatal(err)
		}
		in.Tools = slices.Collect(board.All())
		var got []string
		for _, d := range make1(t, in).Drafts() {
			got = append(got, join(d.Tool.Kinds))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: drafts of %q, want %q", name, got, c.want)
		}
	}
}

// A flood of forged hosts neither crowds out what the code names nor drafts without end.
func TestFloodOfForgedHosts(t *testing.T) {
	groups := []reports.Group{group(1, "img-src", "https://real.example.org", "")}
	for i := range 4000 {
		groups = append(groups, group(uint64(100+i), "img-src", fmt.Sprintf("https://h%d.example.org", i), ""))
	}
	code := []Code{{"real", "MediaWiki:Gadget-real.js", "'https://real.example.org/'" + strings.Repeat(" filler.example.net", 100_000)}}
	start := time.Now()
	f := make1(t, Input{Reports: seen(10, groups...), Code: code})
	t.Logf("%d tools in %v", len(f.Tools), time.Since(start))
	if f.Tools[0].Origin != "https://real.example.org" || len(f.Tools[0].Drafts) != 1 || f.Gadgets[0].Name != "real" {
		t.Errorf("first are %+v and %+v", f.Tools[0], f.Gadgets[0])
	}
	if n := len(f.Drafts()); n != maxDrafts {
		t.Errorf("%d drafts, want %d", n, maxDrafts)
	}
	var text bytes.Buffer
	if err := f.WriteText(&text); err != nil || text.Len() > 1<<20 {
		t.Errorf("%d bytes of text, %v", text.Len(), err)
	}
}

func TestChanges(t *testing.T) {
	today := mustPolicy(t, "default-src 'none'; img-src 'self' https://a.example.org https://*.b.example.org https://c.example.org/x/; connect-src *")
	proposed := mustPolicy(t, "default-src 'none'; img-src 'self' https://d.example.org https://c.example.org")
	f := make1(t, Input{
		Reports: seen(100,
			group(9, "img-src", "https://a.example.org", "ext.gadget.maps"),
			group(8, "img-src", "https://d.example.org", ""),
			group(7, "img-src", "https://c.example.org", ""),
			group(6, "img-src", "https://e.example.org", ""),
			group(5, "connect-src", "https://f.example.org", ""),
		),
		Policy: today, Proposed: &proposed,
	})
	list := func(changes []Change) (texts []string) {
		for _, c := range changes {
			texts = append(texts, strings.TrimSpace(fmt.Sprintf("%s %s %s-%s %s", c.Directive, c.Blocked, c.Verdict, c.Then, strings.Join(c.Gadgets, ","))))
		}
		return texts
	}
	for _, c := range []struct {
		name      string
		got, want []string
	}{
		{"newly blocked", list(f.Changes.NewlyBlocked), []string{"img-src https://a.example.org allows-blocks maps (may be forged)", "connect-src https://f.example.org allows-blocks"}},
		{"newly allowed", list(f.Changes.NewlyAllowed), []string{"img-src https://d.example.org blocks-allows"}},
		{"unclear", list(f.Changes.Unclear), []string{"img-src https://c.example.org depends-allows"}},
		{"unchanged", list(f.Changes.Unchanged), []string{"img-src https://e.example.org blocks-blocks"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	want := []Dropped{{"connect-src", "*"}, {"img-src", "https://a.example.org"}, {"img-src", "https://*.b.example.org"}, {"img-src", "https://c.example.org/x/"}}
	if !slices.Equal(f.Changes.Dropped, want) {
		t.Errorf("dropped %v, want %v", f.Changes.Dropped, want)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"no reports": {Input{Page: site}, "no reports"},
		"no page":    {Input{Reports: seen(0)}, "origin"},
		"no origin":  {Input{Reports: seen(0), Page: "wiki.example"}, "origin"},
	} {
		if _, err := New(c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNotes(t *testing.T) {
	s := seen(0, group(1, "img-src", "https://c.example.org", ""))
	s.Lost, s.Limited, s.Noise = 3, map[reports.Reason]uint64{"client": 4}, map[reports.Reason]uint64{"extension": 5}
	f := make1(t, Input{Reports: s, Policy: mustPolicy(t, "img-src https://c.example.org/a/")})
	notes := strings.Join(f.Notes, "\n")
	for _, want := range []string{"Anybody can send", "No page views", "code was not looked at", "up to 3 times", "4 reports were over", "5 reports were left out", "no paths"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no %q in\n%s", want, notes)
		}
	}
}

// Whatever is reported, a forecast is made, and its JSON and text are.
func FuzzNew(f *testing.F) {
	f.Add("img-src", "https://cdn.example.org", "MediaWiki:Gadget-x.js", "img-src 'self'", "https://cdn.example.org/x", site)
	f.Add("script-src", "eval", "ext.gadget.a|ext.gadget.b", "default-src 'none'", "", "http://wiki.example:80")
	f.Fuzz(func(t *testing.T, directive, blocked, gadget, policy, text, page string) {
		p, err := ParsePolicy(policy)
		if err != nil {
			return
		}
		forecast, err := New(Input{
			Reports: seen(3, group(1, directive, blocked, gadget)), Page: page, Policy: p, Proposed: &p,
			Code: []Code{{"x", "MediaWiki:Gadget-x.js", text}}, Loopback: true,
		})
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := forecast.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(forecast); err != nil {
			t.Fatal(err)
		}
		if n := len(forecast.Changes.NewlyBlocked) + len(forecast.Changes.NewlyAllowed); n > 0 {
			t.Fatalf("%d changes of a policy against itself", n)
		}
		var proxied []*Draft
		for _, d := range forecast.Drafts() {
			if !d.Tool.Has(noticeboard.Script) && !d.Tool.IsMirror() {
				proxied = append(proxied, d)
			}
		}
		file, err := File(proxied)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := noticeboard.Parse(file, "draft"); err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
	})
}
