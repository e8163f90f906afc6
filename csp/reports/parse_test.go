package reports

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "samples", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Reports that a Chromium sent.
func TestSamples(t *testing.T) {
	main := func(directive, blocked string) Report {
		return Report{directive, blocked, "", "/wiki/Main_Page", Enforced}
	}
	const other = "http://127.0.0.2:18091"
	for name, want := range map[string][]Report{
		"csp-report-single.json":     {main("script-src-elem", other)},
		"csp-report-uri-2.json":      {main("connect-src", other)},
		"csp-report-uri-script.json": {main("script-src-elem", other)},
		"csp-report-uri-inline.json": {main("script-src-elem", BlockedInline)},
		"csp-reports-batch.json": {
			{"script-src-elem", other, "/load.php", "", Enforced},
			main("connect-src", other), main("img-src", other), main("style-src-elem", other), main("font-src", other),
			main("connect-src", "ws://127.0.0.2:18091"), main("connect-src", other), main("img-src", other),
			main("script-src-elem", other), main("default-src", other), main("frame-src", other),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Parser{}.Parse(sample(t, name), "")
			if !slices.Equal(got.Reports, want) || len(got.Bad) > 0 || len(got.Noise) > 0 || got.Refused != "" {
				t.Errorf("got %+v, want %v", got, want)
			}
		})
	}
}

func TestFormsOfBrowsers(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want Report
	}{
		"Firefox, report-uri": {
			`{"csp-report":{"blocked-uri":"https://cdn.example/a.png?u=1","column-number":5,"disposition":"report",
			"document-uri":"https://wiki.example/wiki/A?x=1#y","effective-directive":"img-src","line-number":3,
			"original-policy":"img-src 'self'","referrer":"https://wiki.example/secret","source-file":"https://wiki.example/w/index.php?title=MediaWiki:Gadget-X.js&action=raw",
			"status-code":200,"violated-directive":"img-src"}}`,
			Report{"img-src", "https://cdn.example", "MediaWiki:Gadget-X.js", "", ReportOnly},
		},
		"Firefox, report-to": {
			`[{"age":51,"body":{"blockedURL":"https://cdn.example/","columnNumber":4,"disposition":"enforce","documentURL":"https://wiki.example/wiki/A",
			"effectiveDirective":"connect-src","lineNumber":1,"originalPolicy":"…","referrer":null,"sample":"secret","sourceFile":"https://wiki.example/wiki/A","statusCode":200},
			"type":"csp-violation","url":"https://wiki.example/wiki/A","user_agent":"Mozilla/5.0"}]`,
			Report{"connect-src", "https://cdn.example", "", "/wiki/A", Enforced},
		},
		"Safari, report-uri without effective-directive and disposition": {
			`{"csp-report":{"document-uri":"https://wiki.example/wiki/A","referrer":"","violated-directive":"script-src 'self' https:",
			"original-policy":"…","blocked-uri":"","status-code":200}}`,
			Report{"script-src", BlockedInline, "", "/wiki/A", NotSaid},
		},
		"Safari, report-to, one object": {
			`{"type":"csp-violation","url":"https://wiki.example/wiki/A","body":{"documentURL":"https://wiki.example/wiki/A","disposition":"report",
			"referrer":"","effectiveDirective":"style-src-elem","blockedURL":"https://cdn.example","originalPolicy":"…","statusCode":200}}`,
			Report{"style-src-elem", "https://cdn.example", "", "/wiki/A", ReportOnly},
		},
		"the Reporting API's envelope, hyphens within": {
			`[{"type":"csp-violation","url":"https://wiki.example/wiki/A","body":{"effective-directive":"img-src","blocked-uri":"data","disposition":"report"}}]`,
			Report{"img-src", "data", "", "/wiki/A", ReportOnly},
		},
		"a body without its envelope": {
			`{"documentURI":"https://wiki.example/wiki/A","violatedDirective":"img-src","blockedURI":"https://CDN.example:443/","disposition":"report"}`,
			Report{"img-src", "https://cdn.example", "", "/wiki/A", ReportOnly},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Parser{}.Parse([]byte(c.body), "Mozilla/5.0")
			if !slices.Equal(got.Reports, []Report{c.want}) || len(got.Bad) > 0 {
				t.Errorf("got %+v, want %v", got, c.want)
			}
		})
	}
}

func TestBadRecords(t *testing.T) {
	good := violationOf("https://cdn.example/x")
	deep := func(n int) string { return `{"x":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	padded := func(n int) string {
		head, tail := good[:len(good)-1], `,"pad":""}`
		return head + `,"pad":"` + strings.Repeat("x", n-len(head)-len(tail)) + `"}`
	}
	with := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, c := range map[string]struct {
		record string
		bad    Reason // "" for a good one
		alone  Reason // why the body is refused where there is nothing else in it
	}{
		"good":                        {good, "", ""},
		"deep enough":                 {with(`"age":1`, `"age":`+strings.Repeat("[", MaxDepth-1)+strings.Repeat("]", MaxDepth-1)), "", ""},
		"a bracket too deep":          {deep(MaxDepth + 1), BadDepth, BadDepth},
		"very deep":                   {deep(3000), BadDepth, BadDepth},
		"as large as may be":          {padded(MaxReport), "", ""},
		"a byte too large":            {padded(MaxReport + 1), BadSize, BadSize},
		"not JSON in brackets":        {`{"body":}`, BadJSON, BadJSON},
		"a word":                      {`report`, BadJSON, BadJSON},
		"a number":                    {`12`, BadObject, BadObject},
		"a text":                      {`"{\"}"`, BadObject, BadObject},
		"an array in the array":       {`[` + good + `]`, BadObject, ""},
		"an empty object":             {`{}`, BadForm, BadForm},
		"a field of another type":     {with(`"blockedURL":"https://cdn.example/x"`, `"blockedURL":["a"]`), BadForm, BadForm},
		"a body of another type":      {`{"type":"csp-violation","body":7}`, BadForm, BadForm},
		"a deprecation":               {`{"type":"deprecation","url":"https://wiki.example/","body":{"id":"x"}}`, BadType, ""},
		"an unknown directive":        {with("img-src", "im-src"), BadDirective, ""},
		"no directive":                {with("img-src", ""), BadDirective, ""},
		"a page that is no URL":       {strings.ReplaceAll(good, wiki+"/wiki/A", "A"), BadDocument, ""},
		"a page of somebody else":     {strings.ReplaceAll(good, wiki, "https://other.example"), BadForeign, ""},
		"the wiki's name at the end":  {strings.ReplaceAll(good, wiki, "https://evil.example/"+wiki), BadForeign, ""},
		"a blocked URL without host":  {with("https://cdn.example/x", "https:///x"), BadBlocked, ""},
		"a blocked host with a space": {with("https://cdn.example/x", "https://a b/"), BadBlocked, ""},
		"a blocked host not in ASCII": {with("https://cdn.example/x", "https://ä.example/"), BadBlocked, ""},
		"a blocked port too high":     {with("https://cdn.example/x", "https://a.example:65536/"), BadBlocked, ""},
	} {
		t.Run(name, func(t *testing.T) {
			parser := Parser{Own: own}
			check := func(where, body string, goods int) {
				t.Helper()
				want := make(map[Reason]int)
				if c.bad == "" {
					goods++
				} else {
					want[c.bad] = 1
				}
				got := parser.Parse([]byte(body), "")
				if len(got.Reports) != goods || !maps.Equal(got.Bad, want) {
					t.Errorf("%s: %d reports, bad %v, want %d, %v", where, len(got.Reports), got.Bad, goods, want)
				}
				if goods > 0 && got.Refused != "" {
					t.Errorf("%s: refused for %s", where, got.Refused)
				}
			}
			check("between good ones", "["+good+","+c.record+","+good+"]", 2)
			check("after good ones, one a line", good+"\n"+good+"\n"+c.record, 2)
			if name != "an array in the array" { // alone that is a batch
				check("alone", c.record, 0)
				if got := parser.Parse([]byte(c.record), "").Refused; got != c.alone {
					t.Errorf("alone: refused for %q, want %q", got, c.alone)
				}
			}
		})
	}
}

// What names the sender's own address isn't kept, but for the wiki's own origin.
func TestSendersAddressIsNotKept(t *testing.T) {
	parser := Parser{Own: own, Names: func(text string) bool { return strings.Contains(text, "7f0b1621") }}
	record := func(blocked, file string) string {
		return `{"csp-report":{"document-uri":"` + wiki + `/wiki/A","effective-directive":"img-src","blocked-uri":"` + blocked + `","source-file":"` + file + `"}}`
	}
	for text, reports := range map[string]int{
		record("https://cdn.example/x", ""):                                                  1,
		record("https://7f0b1621.home.example/x", ""):                                        0,
		record("https://cdn.example/7f0b1621?7f0b1621", ""):                                  1, // of which the origin alone is kept
		record("https://cdn.example/x", wiki+"/load.php?modules=ext.gadget.7f0b1621"):        0,
		strings.ReplaceAll(record("https://cdn.example/x", ""), "/wiki/A", "/wiki/7f0b1621"): 0,
	} {
		got := parser.Parse([]byte(text), "")
		if len(got.Reports) != reports || got.Bad[BadClient] != 1-reports {
			t.Errorf("%s: %v, bad %v", text, got.Reports, got.Bad)
		}
	}
	parser.Names = func(text string) bool { return strings.Contains(text, "wiki.example") }
	if got := parser.Parse([]byte(record(wiki+"/x", "")), ""); len(got.Reports) != 1 {
		t.Errorf("the wiki's own origin: %v", got.Bad)
	}
}

func TestBatches(t *testing.T) {
	good := violationOf("https://cdn.example")
	for name, c := range map[string]struct {
		body    string
		reports int
		bad     map[Reason]int
		refused Reason
	}{
		"nothing":                       {"", 0, nil, BadJSON},
		"white space":                   {" \n", 0, nil, BadJSON},
		"an empty array":                {" [ ] ", 0, nil, ""},
		"cut in the second record":      {"[" + good + "," + good[:50], 1, map[Reason]int{BadJSON: 1}, ""},
		"cut in a text":                 {"[" + good + `,{"a\"`, 1, map[Reason]int{BadJSON: 1}, ""},
		"commas too many":               {"[," + good + ",," + good + ",]", 2, nil, ""},
		"the array's end is missing":    {"[" + good + "," + good, 2, nil, ""},
		"brackets that nothing opened":  {"}]" + good, 1, map[Reason]int{BadJSON: 2}, ""},
		"a form":                        {"a=b&c=d", 0, map[Reason]int{BadJSON: 1}, BadJSON},
		"the longest reason comes last": {`[1,{}]`, 0, map[Reason]int{BadObject: 1, BadForm: 1}, BadForm},
		"too many records":              {strings.Repeat("1 ", MaxRecords) + "1 2", 0, map[Reason]int{BadObject: MaxRecords, BadNumber: 2}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Parser{Own: own}.Parse([]byte(c.body), "")
			if len(got.Reports) != c.reports || !maps.Equal(got.Bad, c.bad) || got.Refused != c.refused {
				t.Errorf("%d reports, bad %v, refused for %q; want %d, %v, %q", len(got.Reports), got.Bad, got.Refused, c.reports, c.bad, c.refused)
			}
		})
	}
}

// No part of a report that could tell who sent it comes through.
func TestNothingOfTheReaderIsKept(t *testing.T) {
	const mark = "s3cret"
	urls := []string{
		"https://u" + mark + ":p" + mark + "@cdn.example/x?q=" + mark + "#f" + mark,
		"https://u" + mark + "@wiki.example/w/load.php?modules=ext.gadget.A&user=" + mark + "#" + mark,
		"https://wiki.example/w/index.php?title=User:" + mark + "/common.js&action=raw&token=" + mark,
		"https://wiki.example/wiki/User:" + mark + "/vector-2022.css?" + mark,
		"https://wiki.example/w/load.php?modules=user&user=" + mark,
	}
	for _, u := range urls {
		body, err := json.Marshal([]any{map[string]any{
			"type": "csp-violation", "user_agent": mark, "url": wiki + "/wiki/A?" + mark,
			"body": map[string]any{
				"documentURL": "https://" + mark + "@wiki.example/wiki/A?" + mark + "#" + mark, "referrer": wiki + "/" + mark,
				"blockedURL": "https://" + mark + ":" + mark + "@cdn.example/" + mark + "?" + mark, "sourceFile": u,
				"effectiveDirective": "img-src", "originalPolicy": "img-src " + mark, "sample": mark, "disposition": "report",
			},
		}})
		if err != nil {
			t.Fatal(err)
		}
		got := Parser{}.Parse(body, mark)
		if len(got.Reports) != 1 || strings.Contains(fmt.Sprint(got), mark) {
			t.Errorf("of %s: %+v", u, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/samples/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no samples", err)
	}
	for _, file := range files {
		f.Add(sample(f, filepath.Base(file)), "Mozilla/5.0")
	}
	f.Add([]byte(`[{"type":"csp-violation","url":"http://[::1%25a]/","body":{"blockedURL":"moz-extension","sourceFile":"https://a/load.php?modules=ext.gadget.a,b|c.d"}},`), "x; wv)")
	f.Add([]byte(`{"csp-report":{"document-uri":"https://w/wiki/Special:Contributions/1.2.3.4","violated-directive":"img-src *","blocked-uri":"data:x"}}]}"`), "")
	f.Add([]byte("[[[[{{{{\"\\"), "")
	f.Fuzz(func(t *testing.T, data []byte, agent string) {
		batch := Parser{}.Parse(data, agent)
		for _, r := range batch.Reports {
			checkReport(t, r)
		}
		if again := (Parser{}).Parse(data, agent); !reflect.DeepEqual(batch, again) {
			t.Errorf("read twice: %+v, %+v", batch, again)
		}
		if len(data) > 0 && data[0] == '{' && json.Valid(data) && len(data) <= MaxReport && batch.Bad[BadJSON] > 0 {
			t.Error("JSON is told not to be")
		}
	})
}

// checkReport holds what must be true of any report, whatever was sent.
func checkReport(t *testing.T, r Report) {
	t.Helper()
	if !slices.Contains(directives, r.Directive) {
		t.Errorf("directive %q", r.Directive)
	}
	if u, ok := parseURL(r.Blocked); ok && u.origin != r.Blocked || !ok && r.Blocked != BlockedOther &&
		r.Blocked != BlockedUnspecified && !slices.Contains(blockedWords, r.Blocked) {
		t.Errorf("blocked %q", r.Blocked)
	}
	if (r.Gadget == "") == (r.Page == "") {
		t.Errorf("gadget %q and page %q", r.Gadget, r.Page)
	}
	for _, text := range []string{r.Gadget, r.Page} {
		if len(text) > maxText || !utf8.ValidString(text) || !printable(text) {
			t.Errorf("text %q", text)
		}
	}
	for element := range strings.SplitSeq(r.Page, "/") {
		if isAddress(element) {
			t.Errorf("an address in %q", r.Page)
		}
	}
}

// Addresses stand behind more than one colon too, where a title has a wiki's prefix or is of another namespace.
func TestRedactBehindPrefixes(t *testing.T) {
	for path, want := range map[string]string{
		"/wiki/User:192.0.2.1":            "/wiki/User:*",
		"/wiki/de:User:192.0.2.1":         "/wiki/de:User:*",
		"/wiki/Talk:User:2001:DB8::1/Old": "/wiki/Talk:User:*/Old",
		"/wiki/User:2001:2f:a:b:c:d:e:f":  "/wiki/User:*",
		"/wiki/Help:A:B":                  "/wiki/Help:A:B",
	} {
		if got := cleanPath(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
