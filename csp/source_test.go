package csp

import (
	"slices"
	"strings"
	"testing"
)

const (
	sha256Empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	sha384Empty = "OLBgp1GsljhM2TJ+sbHjaiH9txEUvgdDTAzHv2P24donTt6/529l+9Ua0vFImLlb"
)

func TestParseSource(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"none":                    {"'none'", "'none'"},
		"keyword":                 {"'self'", "'self'"},
		"keyword in capitals":     {"'UNSAFE-Inline'", "'unsafe-inline'"},
		"scheme":                  {"https:", "https:"},
		"scheme in capitals":      {"DATA:", "data:"},
		"scheme with marks":       {"web+wiki-1.0:", "web+wiki-1.0:"},
		"scheme that looks host":  {"localhost:", "localhost:"},
		"host":                    {"example.org", "example.org"},
		"host in capitals":        {"Upload.Example.ORG", "upload.example.org"},
		"host of one label":       {"localhost", "localhost"},
		"root dot":                {"example.org.", "example.org."},
		"punycode":                {"xn--tdaaaaaa.de", "xn--tdaaaaaa.de"},
		"loopback address":        {"http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		"everything":              {"*", "*"},
		"everything, one port":    {"*:8443", "*:8443"},
		"everything, one scheme":  {"https://*", "https://*"},
		"subdomains":              {"*.example.org", "*.example.org"},
		"subdomains, any port":    {"wss://*.example.org:*", "wss://*.example.org:*"},
		"origin":                  {"HTTPS://upload.example.org:443", "https://upload.example.org:443"},
		"port with zeros":         {"example.org:0080", "example.org:80"},
		"highest port":            {"example.org:65535", "example.org:65535"},
		"path":                    {"https://example.org/W/Load.php", "https://example.org/W/Load.php"},
		"directory":               {"example.org/w/", "example.org/w/"},
		"root path":               {"example.org/", "example.org/"},
		"path with escapes":       {"example.org/a%3Bb%2c", "example.org/a%3Bb%2c"},
		"path with marks":         {"example.org/-._~!$&'()*+=:@", "example.org/-._~!$&'()*+=:@"},
		"path with empty segment": {"example.org/a//b", "example.org/a//b"},
		"nonce":                   {"'nonce-Ab+/-_9=='", "'nonce-Ab+/-_9=='"},
		"nonce, prefix capitals":  {"'NONCE-Ab'", "'nonce-Ab'"},
		"hash":                    {"'SHA256-" + sha256Empty + "'", "'sha256-" + sha256Empty + "'"},
		"hash, base64url, bare":   {"'sha384-" + strings.NewReplacer("+", "-", "/", "_").Replace(sha384Empty) + "'", "'sha384-" + strings.NewReplacer("+", "-", "/", "_").Replace(sha384Empty) + "'"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			src, err := ParseSource(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if src.String() != tt.want {
				t.Errorf("got %s, want %s", src, tt.want)
			}
		})
	}
}

// notSources are all attempts to bring more than one source, with the reason for
// which each must be refused.
var notSources = map[string]struct{ in, reason string }{
	"empty":                       {"", "it is empty"},
	"second directive":            {"https://x;script-src", `it holds ";"`},
	"second directive, quoted":    {"'self';", `it holds ";"`},
	"second policy":               {"https://x,default-src", `it holds ","`},
	"semicolon in path":           {"https://x/a;b", `it holds ";"`},
	"comma in path":               {"https://x/a,b", `it holds ","`},
	"semicolon in nonce":          {"'nonce-a;b'", `it holds ";"`},
	"comma in scheme":             {"ht,tps:", `it holds ","`},
	"second source":               {"https://x *", `it holds " "`},
	"tab":                         {"https://x\t*", `it holds "\t"`},
	"form feed":                   {"https://x\f*", `it holds "\f"`},
	"vertical tab":                {"https://x\v*", `it holds "\v"`},
	"leading space":               {" 'self'", `it holds " "`},
	"header line":                 {"https://x\r\nSet-Cookie:a", `it holds "\r"`},
	"line feed alone":             {"https://x\nSet-Cookie:a", `it holds "\n"`},
	"line feed at the end":        {"'self'\n", `it holds "\n"`},
	"NUL":                         {"https://x\x00", `it holds "\x00"`},
	"DEL":                         {"https://x\x7f", `it holds "\x7f"`},
	"no-break space":              {"https://x\u00a0*", `it holds "\xc2"`},
	"fullwidth semicolon":         {"https://x；script-src", `it holds "\xef"`},
	"umlaut":                      {"https://bücher.example", `it holds "\xc3"`},
	"next line, one byte":         {"https://x\x85", `it holds "\x85"`},
	"placeholder":                 {"https://{http.request.host}", "not a host"},
	"nonce slot in text":          {NonceSlot.text, "its value is not base64"},
	"unknown keyword":             {"'unsafe-everything'", "not a keyword"},
	"quoted host":                 {"'example.org'", "not a keyword"},
	"quote alone":                 {"'", "its closing quote is missing"},
	"two quotes":                  {"''", "not a keyword"},
	"open quote":                  {"'self", "its closing quote is missing"},
	"two keywords":                {"'self''unsafe-inline'", "not a keyword"},
	"keyword without quotes":      {"self", "it needs single quotes: 'self'"},
	"none without quotes":         {"NONE", "it needs single quotes: 'none'"},
	"nonce without quotes":        {"nonce-abc", "it needs single quotes: 'nonce-abc'"},
	"hash without quotes":         {"sha256-abc", "it needs single quotes: 'sha256-abc'"},
	"typographic quotes":          {"‘self’", `it holds "\xe2"`},
	"double quotes":               {`"self"`, "not a host"},
	"empty nonce":                 {"'nonce-'", "its value is not base64"},
	"nonce of padding":            {"'nonce-=='", "its value is not base64"},
	"padding inside":              {"'nonce-a=b'", "its value is not base64"},
	"three paddings":              {"'nonce-a==='", "its value is not base64"},
	"quote in nonce":              {"'nonce-a'b'", "its value is not base64"},
	"unknown digest":              {"'md5-abc'", "not a keyword"},
	"digest too short":            {"'sha256-YWJj'", "a sha256 digest has 32 bytes"},
	"digest of another algorithm": {"'sha512-" + sha256Empty + "'", "a sha512 digest has 64 bytes"},
	"colon alone":                 {":", "not a scheme"},
	"scheme starts with digit":    {"1http:", "not a scheme"},
	"scheme with underscore":      {"a_b:", "not a scheme"},
	"no scheme before slashes":    {"://x", "not a scheme before ://"},
	"scheme and no host":          {"https://", "not a host"},
	"path alone":                  {"/w/load.php", "not a host"},
	"network path":                {"//example.org", "not a host"},
	"empty label":                 {"a..example", "not a host"},
	"dot":                         {".", "not a host"},
	"leading dot":                 {".example.org", "not a host"},
	"star inside":                 {"a.*.example", "not a host"},
	"star in label":               {"a*.example.org", "not a host"},
	"star at the end":             {"example.*", "not a host"},
	"two stars":                   {"*.*", "not a host"},
	"star and dot":                {"*.", "not a host"},
	"underscore in host":          {"a_b.example", "not a host"},
	"userinfo":                    {"https://user@example.org", "not a host"},
	"password":                    {"https://user:pw@example.org", "not a port"},
	"IPv6":                        {"http://[::1]:8080", "browsers match no IPv6 address"},
	"IPv6, bare":                  {"[2001:db8::1]", "browsers match no IPv6 address"},
	"backslash":                   {`https:\\example.org`, "not a port"},
	"empty port":                  {"https://example.org:/x", "not a port"},
	"port zero":                   {"example.org:0", "not a port"},
	"port too high":               {"example.org:65536", "not a port"},
	"port with sign":              {"example.org:+80", "not a port"},
	"port and star":               {"example.org:8*", "not a port"},
	"two ports":                   {"example.org:80:80", "not a port"},
	"query":                       {"https://example.org/w?a=b", "not a path"},
	"query without path":          {"https://example.org?a=b", "not a host"},
	"fragment":                    {"https://example.org/w#a", "not a path"},
	"empty first segment":         {"https://example.org//w", "not a path"},
	"cut escape":                  {"https://example.org/%3", "not a path"},
	"false escape":                {"https://example.org/%zz", "not a path"},
	"markup in path":              {"https://example.org/<x>", "not a path"},
}

func TestNotSources(t *testing.T) {
	for name, tt := range notSources {
		t.Run(name, func(t *testing.T) {
			src, err := ParseSource(tt.in)
			if err == nil {
				t.Fatalf("%q was taken for %s", tt.in, src)
			}
			if !strings.HasSuffix(err.Error(), ": "+tt.reason) {
				t.Errorf("got %q, want the reason %q", err, tt.reason)
			}
			if src != (Source{}) {
				t.Errorf("a refused source came out as %s", src)
			}
		})
	}
}

func TestIsOrigin(t *testing.T) {
	for text, want := range map[string]bool{
		"https://upload.example.org": true,
		"https://example.org:8443":   true,
		"*.example.org":              true,
		"wss://*.example.org:*":      true,
		"localhost":                  true,
		"*":                          false,
		"*:443":                      false,
		"https://*":                  false,
		"https://*:443":              false,
		"https:":                     false,
		"'self'":                     false,
		"'none'":                     false,
		"'nonce-abc'":                false,
		"https://example.org/":       false,
		"example.org/w/":             false,
	} {
		src, err := ParseSource(text)
		if err != nil {
			t.Fatal(err)
		}
		if src.IsOrigin() != want {
			t.Errorf("%s: got %t", text, !want)
		}
	}
	if (Source{}).IsOrigin() {
		t.Error("the zero Source is no origin")
	}
}

func FuzzParseSource(f *testing.F) {
	for _, tt := range notSources {
		f.Add(tt.in)
	}
	for _, text := range slices.Concat(keywords, []string{
		"https://*.example.org:*/a%20b/", "blob:", "'nonce-Ab=='", "'sha256-" + sha256Empty + "'",
	}) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		src, err := ParseSource(text)
		if err != nil {
			return
		}
		if problem := foreignByte(src.text); problem != "" || src.text == "" {
			t.Fatalf("source %q: %s", src.text, problem)
		}
		if src == NonceSlot {
			t.Fatalf("%q became the nonce slot", text)
		}
		again, err := ParseSource(src.text)
		if err != nil || again != src {
			t.Fatalf("source %q parses to %q, %v", src.text, again.text, err)
		}
	})
}
