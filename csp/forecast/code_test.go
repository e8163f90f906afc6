package forecast

import (
	"slices"
	"strings"
	"testing"
)

func TestMentioning(t *testing.T) {
	for name, c := range map[string]struct {
		text, origin string
		want         bool
	}{
		"address":                 {`"https://maps.example.org/1.png"`, "https://maps.example.org", true},
		"without scheme":          {`"//maps.example.org/1.png"`, "https://maps.example.org", true},
		"host alone":              {`host = 'maps.example.org'`, "https://maps.example.org", true},
		"upper case":              {`HTTPS://MAPS.example.org`, "https://maps.example.org", true},
		"end of a sentence":       {`// see maps.example.org.`, "https://maps.example.org", true},
		"a colon after it":        {`maps.example.org: tiles`, "https://maps.example.org", true},
		"default port":            {`https://maps.example.org:443/`, "https://maps.example.org", true},
		"another port":            {`https://maps.example.org:8443/`, "https://maps.example.org", false},
		"its port":                {`https://maps.example.org:8443/`, "https://maps.example.org:8443", true},
		"its port is missing":     {`https://maps.example.org/`, "https://maps.example.org:8443", false},
		"longer port":             {`https://maps.example.org:84430/`, "https://maps.example.org:8443", false},
		"a host below":            {`https://a.maps.example.org/`, "https://maps.example.org", false},
		"a longer label":          {`https://roadmaps.example.org/`, "https://maps.example.org", false},
		"a label before a hyphen": {`https://my-maps.example.org/`, "https://maps.example.org", false},
		"a host that begins so":   {`https://maps.example.org.evil.example/`, "https://maps.example.org", false},
		"dots are dots":           {`https://mapsXexample.org/`, "https://maps.example.org", false},
		"no origin":               {`inline`, "inline", false},
		"IPv6":                    {`http://[::1]:81/`, "http://[::1]:81", true},
	} {
		t.Run(name, func(t *testing.T) {
			code := []Code{{"x", "X.js", "a " + c.text + " b"}, {"y", "Y.js", "nothing"}}
			got := mentioning(code, c.origin)
			if (len(got) == 1 && got[0].Title == "X.js") != c.want || len(got) > 1 {
				t.Errorf("got %v", got)
			}
			if strings.Contains(c.origin, "[") {
				return // reports of the readers' own machines
			}
			if indexed := newIndex(code).mentioning(c.origin); len(indexed) != len(got) {
				t.Errorf("by the index: %v", indexed)
			}
		})
	}
}

func TestSheets(t *testing.T) {
	code := []Code{
		{"a", "A.js", "'https://fonts.example.org/css2?family=Lora:wght@400;700' + \"//fonts.example.org/a.css\" 'https://fonts.example.org/' fonts.example.org/b.css"},
		{"b", "B.css", "url(https://fonts.example.org/a.css) url(https://fonts.example.org/font.woff2) //fonts.example.org:8443/c.css //my-fonts.example.org/d.css /e.css$(touch x)'"},
	}
	want := []string{"/css2?family=Lora:wght@400;700", "/a.css", "/b.css"}
	if got := sheets(code, "https://fonts.example.org"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := sheets(code, "inline"); got != nil {
		t.Errorf("of no origin: %q", got)
	}
}
