package forecast

import (
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
			got := Mentioning(code, c.origin)
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

func TestRewrite(t *testing.T) {
	r := Rewrite{Origin: "https://maps.example.org", Path: "/.tools/maps"}
	for name, c := range map[string]struct {
		text, want     string
		replaced, left int
	}{
		"address":        {`get('https://maps.example.org/1?a=b')`, `get('/.tools/maps/1?a=b')`, 1, 0},
		"by http":        {`'http://maps.example.org/1'`, `'/.tools/maps/1'`, 1, 0},
		"without scheme": {`url(//maps.example.org/a.woff2)`, `url(/.tools/maps/a.woff2)`, 1, 0},
		"at the ends":    {`https://maps.example.org`, `/.tools/maps`, 1, 0},
		"two in a row":   {"https://maps.example.org https://maps.example.org\n//maps.example.org", "/.tools/maps /.tools/maps\n/.tools/maps", 3, 0},
		"host alone":     {`'https://' + 'maps.example.org'`, `'https://' + 'maps.example.org'`, 0, 1},
		"WebSocket":      {`'wss://maps.example.org/'`, `'wss://maps.example.org/'`, 0, 1},
		"another host":   {`'https://a.maps.example.org/' 'https://maps.example.org.evil/'`, `'https://a.maps.example.org/' 'https://maps.example.org.evil/'`, 0, 0},
		"another port":   {`'https://maps.example.org:81/'`, `'https://maps.example.org:81/'`, 0, 0},
		"in a path":      {`'https://archive.example/https://maps.example.org/'`, `'https://archive.example/https://maps.example.org/'`, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, replaced, left := r.Apply(c.text)
			if got != c.want || replaced != c.replaced || left != c.left {
				t.Errorf("got %q, %d replaced, %d left", got, replaced, left)
			}
		})
	}
}

// FuzzRewrite: what was replaced is not found again, and nothing else changed.
func FuzzRewrite(f *testing.F) {
	f.Add("https://maps.example.org/x //maps.example.org:443")
	f.Add("'http://maps.example.org'//maps.example.org")
	f.Fuzz(func(t *testing.T, text string) {
		r := Rewrite{Origin: "https://maps.example.org", Path: "/.tools/maps"}
		got, replaced, _ := r.Apply(text)
		if again, n, _ := r.Apply(got); n != 0 || again != got {
			t.Fatalf("%q becomes %q", got, again)
		}
		if (replaced == 0) != (got == text) {
			t.Fatalf("%d replaced in %q, which became %q", replaced, text, got)
		}
	})
}
