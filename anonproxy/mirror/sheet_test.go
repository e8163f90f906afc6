package mirror

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// testSheet knows one font and one style sheet.
func testSheet(t testing.TB) Sheet {
	t.Helper()
	base, err := url.Parse("https://fonts.example.org/css/all?family=A")
	if err != nil {
		t.Fatal(err)
	}
	mirrored := map[string]string{
		"https://fonts.example.org/f/a.woff2":    "/.tools/fonts/~0123456789abcdef/fonts.example.org/f/a.woff2",
		"https://cdn.example.net/b.css?x=1&y='2": "/.tools/fonts/~fedcba9876543210/cdn.example.net/b.css?x=1&y='2",
	}
	return Sheet{
		Base:    base,
		Address: func(u *url.URL) (string, bool) { address, ok := mirrored[u.String()]; return address, ok },
		Own: func(s string) bool {
			for _, address := range mirrored {
				if bare, _, _ := strings.Cut(s, "#"); bare == address {
					return true
				}
			}
			return false
		},
	}
}

const (
	toFont  = `url("/.tools/fonts/~0123456789abcdef/fonts.example.org/f/a.woff2")`
	toSheet = `"/.tools/fonts/~fedcba9876543210/cdn.example.net/b.css?x=1&y='2"`
	no      = `url("")`
)

func TestSheet(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"absolute", `a{src:url(https://fonts.example.org/f/a.woff2)}`, `a{src:` + toFont + `}`},
		{"protocol-relative", `a{src:url(//fonts.example.org/f/a.woff2)}`, `a{src:` + toFont + `}`},
		{"rooted", `a{src:url('/f/a.woff2')}`, `a{src:` + toFont + `}`},
		{"relative", `a{src:url( "../f/a.woff2" ) format('woff2')}`, `a{src:` + toFont + ` format("woff2")}`},
		{"fragment", `a{src:url(/f/a.woff2#x)}`, `a{src:` + toFont[:len(toFont)-2] + `#x")}`},
		{"upper case", `a{src:URL(HTTPS://fonts.example.org/f/a.woff2)}`, `a{src:` + toFont + `}`},
		{"not mirrored", `a{b:url(https://evil.example/x)}`, `a{b:` + no + `}`},
		{"another path", `a{b:url(/f/b.woff2)}`, `a{b:` + no + `}`},
		{"with a password", `a{b:url(https://u@fonts.example.org/f/a.woff2)}`, `a{b:` + no + `}`},
		{"script", `a{b:url(javascript:alert(1))}`, `a{b:` + no + `)}`},
		{"empty", `a{b:url()}`, `a{b:` + no + `}`},
		{"local", `a{src:local("My Font"),url(#g)}`, `a{src:local("My Font"),url("#g")}`},
		{"inline", `a{b:url(data:image/png;base64,AA==)}`, `a{b:url("data:image/png;base64,AA==")}`},
		{"inline style sheet", `a{b:url(data:text/css,a)}`, `a{b:` + no + `}`},
		{"import of inline text", `@import "data:image/png,@import'//evil.example'";`, `@import "";`},
		{"import of inline", `@import url(data:image/png,@import'//evil.example');`, `@import ` + no + `;`},
		{"import", `@import "https://cdn.example.net/b.css?x=1&y='2" screen;`, `@import ` + toSheet + ` screen;`},
		{"import by url", `@import/**/url("//cdn.example.net/b.css?x=1&y='2");`, `@import/**/url(` + toSheet + `);`},
		{"import not mirrored", `@import '//evil.example/x.css' layer(a);`, `@import "" layer(a);`},
		{"escaped import", `@\69mport '//evil.example/x.css';`, `@import "";`},
		{"namespace", `@namespace svg url(http://www.w3.org/2000/svg);`, `@namespace svg "http://www.w3.org/2000/svg";`},
		{"escaped url", `a{b:\75rl(//evil.example/x)}`, `a{b:` + no + `}`},
		{"escaped url of a mirrored file", `a{b:\000075 RL(/f/a.woff2)}`, `a{b:` + toFont + `}`},
		{"escaped address", `a{b:url(\2f\2f evil.example/x)}`, `a{b:` + no + `}`},
		{"bad url", "a{b:url(a b//evil.example/x)c}", `a{b:` + no + `c}`},
		{"url with modifiers", `a{b:url("//evil.example/x" m)}`, `a{b:` + no + `}`},
		{"cut-off url", `a{b:url(//evil.example/x`, `a{b:` + no},
		{"cut-off string", `a{b:image-set("//evil.example/x`, `a{b:image-set(""`},
		{"bad string", "a{b:\"x\n}", `a{b:""/**/}`},
		{"text", `a{content:"https://evil.example\"\A "}`, `a{content:"https://evil.example\"\a "}`},
		{"image-set", `a{b:image-set("//evil.example/x" 1x, "/f/a.woff2" 2x type("a/b"))}`,
			`a{b:image-set("" 1x, "/.tools/fonts/~0123456789abcdef/fonts.example.org/f/a.woff2" 2x type("a/b"))}`},
		{"image-set of a variable", `a{--x:"//evil.example/x";b:image-set(var(--x,"//evil.example/y") 1x)}`,
			`a{--x:"//evil.example/x";b:image-set(not-mirrored(--x,"") 1x)}`},
		{"image-set in brackets", `a{b:-webkit-image-set(("//evil.example/x"))}`, `a{b:-webkit-image-set((""))}`},
		{"src", `a{b:src("//evil.example/x")}`, `a{b:src("")}`},
		{"closing bracket of another kind", `a{b:image-set(} "//evil.example/x")}`, `a{b:image-set(} "")}`},
		{"after a function", `a{b:image-set("/x") "y"}`, `a{b:image-set("") "y"}`},
		{"comment", `/*! license */a{}/* url(x) */`, `/*! license */a{}/* url(x) */`},
		{"source map", `a{}/*# sourceMappingURL=https://evil.example/m */`, `a{}/**/`},
		{"cut-off comment", `a{}/* x`, `a{}/**/`},
		{"comment splits a name", `a{b:ur/**/l(//evil.example/x)}`, `a{b:ur/**/l(//evil.example/x)}`},
		{"names with escapes", `.\31 a\:b{}`, `.\31 a\3a b{}`},
		{"unit with an escape", `a{b:1\65 3}`, `a{b:1\65 3}`},
		{"names that aren't ASCII", `é{}`, `\e9 {}`},
		{"ranges and numbers", `a{unicode-range:U+0025-00FF,u+4??;b:-1.5e3px 50% #1a2}`, `a{unicode-range:U+0025-00FF,u+4??;b:-1.5e3px 50% #1a2}`},
		{"line breaks", "a\r\n{\fb:c\r}", "a\n{\nb:c\n}"},
		{"NUL", "a{b:url(//evil\x00.example)}", `a{b:` + no + `}`},
		{"byte order mark", "\ufeffa{}", "a{}"},
		{"backslash", "a{b:\\\n}", "a{b:/**/\n}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := testSheet(t).Rewrite([]byte(tc.in))
			if err != nil || string(got) != tc.want {
				t.Errorf("got  %s (%v)\nwant %s", got, err, tc.want)
			}
		})
	}
}

func TestSheetRefused(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     error
	}{
		{"too large", strings.Repeat(" ", MaxSheet+1), ErrSheetSize},
		{"grows too large", strings.Repeat("url(a)", MaxSheet/6), ErrSheetSize},
		{"UTF-16", "\xfe\xff\x00a", ErrSheetText},
		{"latin-1", "a{content:'\xe9'}", ErrSheetText},
		{"names that join", `a{-\->b}`, errSheetForm},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testSheet(t)
			if tc.want == ErrSheetSize {
				s.Address = func(*url.URL) (string, bool) { return strings.Repeat("/long", 10), true }
			}
			if got, err := s.Rewrite([]byte(tc.in)); !errors.Is(err, tc.want) || got != nil {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

// The tests' own reader sees what a browser does.
func TestLoadedBy(t *testing.T) {
	for in, want := range map[string][]string{
		`a{b:\75rl(//evil.example/x)}`:     {"//evil.example/x"},
		`@\69mport"x";`:                    {"x"},
		`@import url("x");a{b:url( y )}`:   {"x", "y"},
		`a{b:image-set("x" 1x)}`:           {"x"},
		`a{b:image-set(var(--x))}`:         {"from elsewhere: var"},
		`a{b:"url(x)"}/*url(y)*/`:          nil,
		`a{b:url(a"b)c;d:url(\29 e)}`:      {")e"},
		"a{b:\"c\nd:url(x)}":               {"x"},
		`a{b:url(x`:                        {"x"},
		`a{b:1url(x);c:-\75 rl(y);d:url(}`: {"}"},
	} {
		if got := loadedBy(in); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func FuzzSheet(f *testing.F) {
	for _, seed := range []string{
		`@charset "utf-8";@import 'x';@font-face{font-family:"A";src:local("A"),url(/f/a.woff2) format("woff2");unicode-range:U+0-FF}`,
		`a{b:\75rl(//evil.example)}`, `a{b:image-set(var(--x),"//evil.example")}`, `@namespace url(http://a);`, "a{b:url(a\\\nb)\"\\", `u\rl(x)-\75 rl(y)`,
		`a{b:url("//evil.example" x("y"))}`, `<!-- a||b{c:d~=e} -->`, `@import src("//evil.example")`, "\\", `1\65 3--\-x#\31 é`, "\"\\\n\"'\n", `/*/url(x)*/`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s := testSheet(t)
		got, err := s.Rewrite([]byte(in))
		if err != nil {
			return
		}
		for _, address := range loadedBy(string(got)) {
			if address != Nowhere && !strings.HasPrefix(address, "#") && !isInline(address) && !s.Own(address) {
				t.Errorf("%q becomes %q, which leads to %q", in, got, address)
			}
		}
		again, err := s.Rewrite(got)
		if err != nil || string(again) != string(got) {
			t.Errorf("%q becomes %q, and that %q (%v)", in, got, again, err)
		}
	})
}
