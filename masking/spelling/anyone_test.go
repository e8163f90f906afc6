package spelling

import (
	"strings"
	"testing"
)

// Case 9. Each spelling of an address goes, whoever's it is, and nothing of it is left.
func TestCase9HideHidesEachSpelling(t *testing.T) {
	for _, addr := range clients {
		f := finderOf(addr)
		for name, text := range spellingsOf(addr) {
			for _, around := range surroundings {
				in := strings.Replace(around, "{}", text, 1)
				if got, found := Hide(in, "masked"); !found || f.Finds(got) {
					t.Errorf("%s, %s: %q gives %q", addr, name, in, got)
				}
			}
		}
	}
}

// A log is no use without what is ordinary in it.
func TestHideLeavesOrdinaryTexts(t *testing.T) {
	for _, text := range []string{
		"/w/index.php?title=Main_Page&action=history&oldid=1234567", "/wiki/%D0%97%D0%B0%D0%B3%D0%BB%D0%B0%D0%B2%D0%BD%D0%B0%D1%8F", `\xd0\x97\xd0\xb0\xd0\xb3\xd0\xbb`,
		"/wiki/%E4%B8%BB%E9%A1%B5#History", "/w/load.php?lang=en&modules=startup&only=scripts&raw=1&skin=vector&version=1a2b3", "/wiki/String", "/wiki/Window",
		"/images/thumb/a/ab/Photo_of_a_cat.jpg/220px-Photo_of_a_cat.jpg", "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "en-GB,en;q=0.9,de;q=0.853", "gzip, deflate, br, zstd",
		"https://wiki.example/wiki/Std::vector::push_back", "2026-11-29T10:11:12Z", "2026-11-29T10:11:12.229003125Z", "Sat, 29 Nov 2026 10:11:12 GMT", "20261129", "1764442261123",
		"dial tcp: lookup wiki.example: no such host", "aborting with incomplete response", "http.handlers.reverse_proxy", "bytes=0-65535",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	} {
		if got, found := Hide(text, "masked"); found {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	if got, _ := Hide("a8b000cc-2939-427a-a731-822de7ad39be", "masked"); !strings.HasSuffix(got, "-427a-a731-822de7ad39be") {
		t.Errorf("too little of a UUID is left to tell it: %q", got)
	}
}

// Single digits between what begins an escape made the log of a request panic.
func TestHideOfSingleDigitsBetweenEscapes(t *testing.T) {
	for _, text := range []string{"0%0%0%0", "0%0%0%0%", `a\xb\xc\xd`, "/?q=1%2%3%4"} {
		Hide(text, "masked")
	}
}

// FuzzHide checks that strangers' words around an address don't save it.
func FuzzHide(f *testing.F) {
	f.Add(uint64(1), "a=", "; b")
	f.Add(uint64(2), "%", "%3A")
	f.Add(uint64(3), "[", "]:80")
	f.Add(uint64(4), `\u00`, `\`)
	f.Add(uint64(5), "%D0%97", "%97")
	f.Fuzz(func(t *testing.T, seed uint64, before, after string) {
		addr := clients[seed%uint64(len(clients))]
		all := spellingsOf(addr)
		for _, name := range []string{"dotted", "hex", "decimal", "dashes, reversed", "base64 bytes", "text", "full", "ip6.arpa", "dotted, base64", "text, percent twice"} {
			if text, ok := all[name]; ok {
				if got, _ := Hide(before+" "+text+" "+after, "masked"); strings.Contains(got, " "+text+" ") {
					t.Fatalf("%s is left in %q", name, got)
				}
			}
		}
	})
}

func BenchmarkHide(b *testing.B) {
	values := newOrdinary(b, 7).values()
	size := 0
	for _, v := range values {
		size += len(v)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		for _, v := range values {
			Hide(v, "masked")
		}
	}
}

// BenchmarkHideUnseen is what a text costs that comes for the first time.
func BenchmarkHideUnseen(b *testing.B) {
	for name, text := range map[string]string{
		"URI": "/w/index.php?title=Main_Page&action=history&oldid=1234567", "id": "1234567-dn8g2wujtdga", "words": strings.Repeat("default-src 'none'; script-src 'self' 'unsafe-inline'; ", 6),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				hide(text, "masked")
			}
		})
	}
}
