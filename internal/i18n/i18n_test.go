package i18n

import (
	"html/template"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	prefixLength = regexp.MustCompile(`(^|[^\w<])/(\$?[0-9])`)
	isolated     = regexp.MustCompile("\u2066[^\u2069]*\u2069")
)

// TestMessages is the check of the message files: each parses, has no key and no parameter that English lacks, and each key is explained.
func TestMessages(t *testing.T) {
	languages, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	explained, err := readFile(files, "qqq")
	if err != nil {
		t.Fatal(err)
	}
	english, err := readFile(files, "en")
	if err != nil {
		t.Fatal(err)
	}
	for key := range english {
		if explained[key] == "" {
			t.Errorf("messages/qqq.json: %s: is missing", key)
		}
	}
	for key := range explained {
		if english[key] == "" {
			t.Errorf("messages/qqq.json: %s: English has no such message", key)
		}
	}
	for _, l := range languages[1:] {
		own, err := readFile(files, l.Code)
		if err != nil {
			t.Fatal(err)
		}
		for key := range english {
			if own[key] == "" {
				t.Errorf("messages/%s.json: %s: is missing", l.Code, key)
			}
			if l.Dir == "rtl" && prefixLength.MatchString(strings.Join(isolated.Split(own[key], -1), "")) {
				t.Errorf("messages/%s.json: %s: a prefix length such as /64 is turned to 64/ unless U+2066 and U+2069 stand around it", l.Code, key)
			}
		}
	}
}

func languageOf(t *testing.T, code, messages string) *Language {
	t.Helper()
	l, err := read(fstest.MapFS{"messages/" + code + ".json": {Data: []byte(messages)}}, code, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTexts(t *testing.T) {
	en := languageOf(t, "en", `{"@metadata": {"authors": ["a"]}, "m": "$2 of $1, {{PLURAL:$2|0=none|$2 edit|$2 edits}} [$3 here & <b>now</b>]<script>"}`)
	if got := en.Text("m", "A&B", 1, "/x"); got != "1 of A&B, 1 edit here & <b>now</b><script>" {
		t.Errorf("the text is %q", got)
	}
	if got := en.Text("m", "x", 0, ""); !strings.Contains(got, ", none ") {
		t.Errorf("the form of 0 is in %q", got)
	}
	want := `1,234 of A&amp;B, 1,234 edits <a href="/x?a&amp;&#34;">here &amp; <b>now</b></a>&lt;script&gt;`
	if got := en.HTML("m", "A&B", 1234, `/x?a&"`); string(got) != want {
		t.Errorf("the page has %q", got)
	}
	if got := en.HTML("m", template.HTML("<i>"), 1, ""); !strings.Contains(string(got), "of <i>,") {
		t.Errorf("markup of ours is lost: %q", got)
	}
	ar := languageOf(t, "ar", `{"m": "$1"}`)
	if got := ar.HTML("m", "<x>"); got != "<bdi>&lt;x&gt;</bdi>" || ar.Dir != "rtl" {
		t.Errorf("in Arabic, written %s, it is %q", ar.Dir, got)
	}
}

func TestPlurals(t *testing.T) {
	for code, forms := range map[string]map[int]string{
		"en": {0: "b", 1: "a", 2: "b", 1000000: "b"},
		"fr": {0: "a", 1: "a", 2: "b", 1000000: "b"},
		"ru": {1: "a", 2: "b", 5: "c", 11: "c", 21: "a", 22: "b"},
		"ar": {0: "a", 1: "b", 2: "c", 3: "d", 11: "e", 100: "f", 102: "f"},
		"ja": {0: "a", 1: "a", 7: "a"},
	} {
		l := languageOf(t, code, `{"m": "{{PLURAL:$1|a|b|c|d|e|f}}", "short": "{{PLURAL:$1|a|b}}"}`)
		for n, want := range forms {
			if got := l.Text("m", n); got != want {
				t.Errorf("%s: the form of %d is %q, not %q", code, n, got, want)
			}
		}
		if got := l.Text("short", 100); got != "a" && got != "b" {
			t.Errorf("%s: of too few forms, %q was taken", code, got)
		}
	}
}

func TestMalformedFiles(t *testing.T) {
	for messages, want := range map[string]string{
		`{"x": "y"`:                      "unexpected end of JSON",
		`{"key": 5}`:                     "key: ",
		`{"key": ""}`:                    "key: is empty",
		`{"key": "{{PLURAL:$1|a"}`:       "key: a {{PLURAL: does not end",
		`{"key": "{{GENDER:$1|a}}"}`:     "key: {{ stands where",
		`{"key": "{{PLURAL:$1|0=a}}"}`:   "key: a {{PLURAL: has no forms",
		`{"key": "[$1 a"}`:               "key: a link does not end",
		`{"key": "$1 and $3"}`:           "key: has a parameter that",
		`{"other": "a"}`:                 "other: English has no such",
		`{"key": "$1", "key2": "{{a}}"}`: "key2: ",
	} {
		_, err := load(fstest.MapFS{
			"messages/en.json": {Data: []byte(`{"key": "$1 [$2 x]", "key2": "b"}`)},
			"messages/de.json": {Data: []byte(messages)},
		})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "messages/de.json") {
			t.Errorf("%s: %v", messages, err)
		}
	}
}

func TestOf(t *testing.T) {
	english := English()
	if l, ok := Find("EN"); !ok || l != english {
		t.Errorf("Find(EN) is %v", l)
	}
	site := languageOf(t, "fa", `{}`)
	for _, c := range []struct {
		path, accept string
		want         *Language
	}{
		{"/", "", site},
		{"/", "tlh", site},
		{"/", "*", site},
		{"/", "en-GB,en;q=0.9", english},
		{"/", "tlh, en;q=0.1", english},
		{"/?uselang=en", "", english},
		{"/?uselang=%3Cscript%3E", "", site},
		{"/?uselang=qqq", "", site},
		{"/", strings.Repeat("en,", 4000), site},
		{"/", "en;q=x", site},
	} {
		r := httptest.NewRequest("GET", c.path, nil)
		if c.accept != "" {
			r.Header.Set("Accept-Language", c.accept)
		}
		if got := Of(r.WithContext(WithSite(r.Context(), site))); got != c.want {
			t.Errorf("%s with %.40q: answered in %s", c.path, c.accept, got.Code)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("$1 {{PLURAL:$2|a|$1 b}} [$3 x]")
	f.Add("{{PLURAL:$1|{{PLURAL:$1|a}}}}")
	f.Add("[$1 [$2 a]]")
	l := &Language{Dir: "rtl", plurals: categories(English().tag), tag: English().tag, printer: English().printer}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parse(s)
		if err != nil {
			return
		}
		var b strings.Builder
		m.write(&b, l, markup{isolate: true}, []any{1, 2, 3, 4, 5, 6, 7, 8, 9})
		if strings.Contains(strings.ToLower(b.String()), "<script") {
			t.Errorf("%q has a script", s)
		}
	})
}
