package cache

import (
	"strings"
	"testing"
)

// TestRequests asks for a stored answer of ten bytes in many ways (RFC 9110
// sections 13 and 14). The tool is never asked again.
func TestRequests(t *testing.T) {
	c := newCache(t, Config{})
	o := &origin{answer: func(int, *Validators) (*Response, error) {
		return says("Cache-Control: max-age=60\nEtag: \"tool\"\nLast-Modified: Sat, 01 Jan 2000 00:00:00 GMT", "0123456789"), nil
	}}
	etag := ask(t, c, key("/x"), o.fetch).header.Get("Etag")
	for _, tc := range []struct {
		name    string
		request []string
		status  int
		body    string
		text    string // Content-Range
	}{
		{"plain", nil, 200, "0123456789", ""},
		{"If-None-Match", []string{"If-None-Match: " + etag}, 304, "", ""},
		{"If-None-Match weak", []string{"If-None-Match: W/" + etag}, 304, "", ""},
		{"If-None-Match in a list", []string{`If-None-Match: "a, b", W/"c",` + etag + `, "d"`}, 304, "", ""},
		{"If-None-Match in a second field", []string{`If-None-Match: "a"`, "If-None-Match: " + etag}, 304, "", ""},
		{"If-None-Match any", []string{"If-None-Match: *"}, 304, "", ""},
		{"If-None-Match another", []string{`If-None-Match: "a"`}, 200, "0123456789", ""},
		{"If-None-Match the tool's", []string{`If-None-Match: "tool"`}, 200, "0123456789", ""},
		{"If-None-Match within another", []string{`If-None-Match: "` + strings.Trim(etag, `"`) + `x"`}, 200, "0123456789", ""},
		{"If-None-Match unquoted", []string{"If-None-Match: " + strings.Trim(etag, `"`)}, 200, "0123456789", ""},
		{"If-None-Match unfinished", []string{`If-None-Match: "a`}, 200, "0123456789", ""},
		{"If-None-Match empty", []string{"If-None-Match: "}, 200, "0123456789", ""},
		{"If-None-Match before a range", []string{"If-None-Match: " + etag, "Range: bytes=0-1"}, 304, "", ""},
		{"If-Modified-Since", []string{"If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"}, 200, "0123456789", ""},
		{"If-Modified-Since the future", []string{"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"}, 200, "0123456789", ""},
		{"If-Match another", []string{`If-Match: "a"`}, 200, "0123456789", ""},
		{"Cache-Control: no-cache", []string{"Cache-Control: no-cache", "Pragma: no-cache"}, 200, "0123456789", ""},
		{"Cache-Control: no-store", []string{"Cache-Control: no-store"}, 200, "0123456789", ""},
		{"Cache-Control: max-age=0", []string{"Cache-Control: max-age=0"}, 200, "0123456789", ""},
		{"Cache-Control: only-if-cached", []string{"Cache-Control: only-if-cached"}, 200, "0123456789", ""},

		{"first", []string{"Range: bytes=0-0"}, 206, "0", "bytes 0-0/10"},
		{"middle", []string{"Range: bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{"to the end", []string{"Range: bytes=7-"}, 206, "789", "bytes 7-9/10"},
		{"the whole", []string{"Range: bytes=0-"}, 206, "0123456789", "bytes 0-9/10"},
		{"beyond the end", []string{"Range: bytes=7-99"}, 206, "789", "bytes 7-9/10"},
		{"far beyond the end", []string{"Range: bytes=7-99999999999999999999999"}, 206, "789", "bytes 7-9/10"},
		{"suffix", []string{"Range: bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{"long suffix", []string{"Range: bytes=-30"}, 206, "0123456789", "bytes 0-9/10"},
		{"unit in capitals", []string{"Range: BYTES=0-1"}, 206, "01", "bytes 0-1/10"},
		{"one of a list", []string{"Range: bytes=, 0-1 ,"}, 206, "01", "bytes 0-1/10"},
		{"one within of two", []string{"Range: bytes=0-1,20-30"}, 200, "0123456789", ""},
		{"two", []string{"Range: bytes=0-1,5-6"}, 200, "0123456789", ""},
		{"two backwards", []string{"Range: bytes=5-6, 0-1"}, 200, "0123456789", ""},
		{"three", []string{"Range: bytes=0-0,-1,4-5"}, 200, "0123456789", ""},
		{"overlapping", []string{"Range: bytes=0-3,2-5"}, 200, "0123456789", ""},
		{"more than the whole", []string{"Range: bytes=0-7,2-9"}, 200, "0123456789", ""},
		{"another unit", []string{"Range: lines=0-1"}, 200, "0123456789", ""},
		{"past the end", []string{"Range: bytes=10-"}, 416, "", "bytes */10"},
		{"both past the end", []string{"Range: bytes=10-,20-30"}, 200, "0123456789", ""},
		{"empty suffix", []string{"Range: bytes=-0"}, 416, "", "bytes */10"},

		{"If-Range", []string{"Range: bytes=0-1", "If-Range: " + etag}, 206, "01", "bytes 0-1/10"},
		{"If-Range another", []string{"Range: bytes=0-1", `If-Range: "a"`}, 200, "0123456789", ""},
		{"If-Range weak", []string{"Range: bytes=0-1", "If-Range: W/" + etag}, 200, "0123456789", ""},
		{"If-Range the tool's", []string{"Range: bytes=0-1", `If-Range: "tool"`}, 200, "0123456789", ""},
		{"If-Range a date", []string{"Range: bytes=0-1", "If-Range: Sat, 01 Jan 2000 00:00:00 GMT"}, 200, "0123456789", ""},
		{"If-Range twice", []string{"Range: bytes=0-1", "If-Range: " + etag, "If-Range: " + etag}, 200, "0123456789", ""},
		{"If-Range alone", []string{"If-Range: " + etag}, 200, "0123456789", ""},
		{"If-Range another, past the end", []string{"Range: bytes=10-", `If-Range: "a"`}, 200, "0123456789", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := ask(t, c, key("/x"), o.fetch, tc.request...)
			if g.status != tc.status || g.body != tc.body || g.err != nil || g.header.Get("Content-Range") != tc.text || o.count() != 1 {
				t.Errorf("got %+v, want %d %q %q", g, tc.status, tc.body, tc.text)
			}
			if tag := g.header.Get("Etag"); g.status != 416 && tag != etag {
				t.Errorf("ETag %q", tag)
			}
			if _, has := g.header["Content-Length"]; has == (g.status == 304) {
				t.Errorf("header %v", g.header)
			}
		})
	}
}

func TestBadRanges(t *testing.T) {
	for _, fields := range [][]string{
		{""}, {"bytes"}, {"bytes="}, {"bytes=,"}, {"bytes=a-b"}, {"bytes=1"}, {"bytes=-"}, {"bytes=2-1"}, {"bytes=1-2-3"}, {"bytes=--1"},
		{"bytes=+1-2"}, {"bytes=0x1-2"}, {"bytes=1 -2"}, {"bytes 0-1"}, {"=0-1"}, {"by tes=0-1"}, {"bytes=0-1", "bytes=0-1"},
		{"bytes=0-1;2-3"}, {"bytes=0-1,3-2"}, {"bytes=0-0,-1,x"}, {"bytes=1-\u0664"},
	} {
		if r, err := ParseRange(fields); err != ErrRange {
			t.Errorf("%q: got %v, %v", fields, r, err)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5,3-", "bytes=0-0,-1,4-5", "lines=1", "bytes=9999999999999999999-", "bytes=5-1"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		r, err := ParseRange([]string{s})
		if err != nil && r != nil {
			t.Fatalf("%v, %v", r, err)
		}
		if part, ok := r.Within(size); ok && part.Length != 0 && (part.Start < 0 || part.Length < 0 || part.Start+part.Length > size) {
			t.Fatalf("%v of %d is %v", r, size, part)
		}
	})
}

func FuzzParseControl(f *testing.F) {
	for _, s := range []string{"max-age=60", `private="a, b", max-age=1`, `a="\"`, "no-store", ",,", "s-maxage=99999999999999999999", "max-age=1,max-age=2"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		c := parseControl([]string{a, b})
		for _, s := range []seconds{c.maxAge, c.sharedMaxAge, c.staleWhileRevalidate, c.staleIfError} {
			if d := s.duration(); d < 0 || !s.given && d != 0 {
				t.Fatalf("%q, %q: %v", a, b, s)
			}
		}
		// A second field never makes an answer more reusable than no-store.
		if strict := parseControl([]string{"no-store", a, b}); !strict.noStore {
			t.Fatalf("%q, %q undo no-store", a, b)
		}
	})
}
