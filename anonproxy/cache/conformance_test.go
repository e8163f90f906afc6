package cache

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestReuse asks twice for one thing: what the first response's header says
// decides how the second reader is served (RFC 9111 sections 3 to 5).
func TestReuse(t *testing.T) {
	const validator = "\nEtag: \"v\""
	for _, tc := range []struct {
		name, header string
		wait         time.Duration
		want         Result
		control      string // for the first reader; "" is not checked
	}{
		// Section 4.2: freshness.
		{"max-age, fresh", "Cache-Control: max-age=60", 59 * time.Second, Hit, "private, max-age=60"},
		{"max-age, stale at its end", "Cache-Control: max-age=60", 60 * time.Second, Miss, ""},
		{"max-age, stale", "Cache-Control: max-age=60", 61 * time.Second, Miss, ""},
		{"max-age=0", "Cache-Control: max-age=0", 0, Miss, "no-store"},
		{"max-age=0 with a validator", "Cache-Control: max-age=0" + validator, 0, Revalidated, "private, no-cache"},
		{"max-age in capitals", "Cache-Control: MAX-AGE=60", 59 * time.Second, Hit, ""},
		{"max-age quoted", `Cache-Control: max-age="60"`, 59 * time.Second, Hit, ""},
		{"max-age with blanks around", "Cache-Control:  foo ,  max-age=60 , bar", 59 * time.Second, Hit, ""},
		{"max-age with a blank in it", "Cache-Control: max-age= 60", 0, Miss, ""},
		{"max-age negative", "Cache-Control: max-age=-1", 0, Miss, ""},
		{"max-age a fraction", "Cache-Control: max-age=60.5", 0, Miss, ""},
		{"max-age a word", "Cache-Control: max-age=sixty", 0, Miss, ""},
		{"max-age without value", "Cache-Control: max-age", 0, Miss, ""},
		{"max-age empty", "Cache-Control: max-age=", 0, Miss, ""},
		{"max-age huge", "Cache-Control: max-age=99999999999999999999", 24 * 365 * time.Hour, Hit, "private, max-age=3600"},
		{"max-age twice the same", "Cache-Control: max-age=60, max-age=60", 59 * time.Second, Hit, ""},
		{"max-age twice, differing", "Cache-Control: max-age=60, max-age=90", 0, Miss, ""},
		{"max-age in two fields, differing", "Cache-Control: max-age=60\nCache-Control: max-age=90", 0, Miss, ""},
		{"max-age in an extension's quotes", `Cache-Control: ext="a, max-age=60"`, 0, Miss, ""},
		{"max-age after an extension's quotes", `Cache-Control: ext="no-store, \" x", max-age=60`, 59 * time.Second, Hit, ""},
		{"s-maxage over max-age", "Cache-Control: max-age=1, s-maxage=60", 59 * time.Second, Hit, "private, max-age=1, must-revalidate"},
		{"s-maxage ends", "Cache-Control: max-age=100, s-maxage=60", 60 * time.Second, Miss, ""},
		{"s-maxage alone", "Cache-Control: s-maxage=60", 59 * time.Second, Hit, "private, no-cache"},
		{"s-maxage=0", "Cache-Control: s-maxage=0, max-age=60", 0, Miss, ""},
		{"s-maxage over Expires", "Cache-Control: s-maxage=60\nExpires: NOW", 59 * time.Second, Hit, ""},
		{"max-age over Expires", "Cache-Control: max-age=60\nExpires: NOW-1h", 59 * time.Second, Hit, ""},
		{"max-age under Expires", "Cache-Control: max-age=60\nExpires: NOW+1h", 61 * time.Second, Miss, ""},
		{"Expires", "Expires: NOW+60s", 59 * time.Second, Hit, "private, max-age=60"},
		{"Expires, stale", "Expires: NOW+60s", 61 * time.Second, Miss, ""},
		{"Expires counts from Date", "Expires: NOW+60s\nDate: NOW-100s", 59 * time.Second, Hit, ""},
		{"Expires, Date lies ahead", "Expires: NOW+60s\nDate: NOW+50s", 11 * time.Second, Miss, ""},
		{"Expires without Date", "NODATE\nExpires: NOW+60s", 59 * time.Second, Hit, ""},
		{"Expires 0", "Expires: 0", 0, Miss, ""},
		{"Expires malformed", "Expires: tomorrow", 0, Miss, ""},
		{"Expires twice, differing", "Expires: NOW+60s\nExpires: NOW+90s", 0, Miss, ""},
		{"Expires in the past", "Expires: NOW-60s", 0, Miss, ""},
		{"nothing", "", 0, Miss, "no-store"},
		{"public alone", "Cache-Control: public", 0, Miss, "no-store"},

		// Section 4.2.2: heuristics, a tenth of the time unchanged, 10 minutes at most.
		{"heuristic", "Last-Modified: NOW-1000s", 99 * time.Second, Hit, "private, max-age=100"},
		{"heuristic, stale", "Last-Modified: NOW-1000s", 101 * time.Second, Revalidated, ""},
		{"heuristic, bounded", "Last-Modified: NOW-1000h", 599 * time.Second, Hit, ""},
		{"heuristic, bounded, stale", "Last-Modified: NOW-1000h", 601 * time.Second, Revalidated, ""},
		{"heuristic, future", "Last-Modified: NOW+1h", 0, Revalidated, ""},
		{"heuristic for 404", "404\nLast-Modified: NOW-1000s", 99 * time.Second, Hit, "no-store"},
		{"heuristic not for 403", "403\nLast-Modified: NOW-1000s", 0, Miss, ""},
		{"heuristic for 403 if public", "403\nCache-Control: public\nLast-Modified: NOW-1000s", 0, Revalidated, ""},
		{"explicit for 403", "403\nCache-Control: max-age=60", 59 * time.Second, Hit, "no-store"},
		{"explicit for 404", "404\nCache-Control: max-age=60", 59 * time.Second, Hit, "no-store"},
		{"explicit for 503", "503\nCache-Control: max-age=60", 59 * time.Second, Hit, "no-store"},
		{"explicit for 299", "299\nCache-Control: max-age=60", 59 * time.Second, Hit, ""},
		{"206 is never stored", "206\nCache-Control: max-age=60", 0, Pass, ""},

		// Section 4.2.3: age.
		{"Age", "Cache-Control: max-age=60\nAge: 50", 9 * time.Second, Hit, ""},
		{"Age, stale", "Cache-Control: max-age=60\nAge: 50", 10 * time.Second, Miss, ""},
		{"Age over the lifetime", "Cache-Control: max-age=60\nAge: 100", 0, Miss, ""},
		{"Age malformed", "Cache-Control: max-age=60\nAge: old", 59 * time.Second, Hit, ""},
		{"Age, first of two", "Cache-Control: max-age=60\nAge: 50\nAge: 0", 11 * time.Second, Miss, ""},
		{"Date in the past", "Cache-Control: max-age=60\nDate: NOW-50s", 11 * time.Second, Miss, ""},
		{"Date in the future", "Cache-Control: max-age=60\nDate: NOW+50s", 59 * time.Second, Hit, ""},
		{"Date malformed", "Cache-Control: max-age=60\nDate: x", 59 * time.Second, Hit, ""},
		{"Date of the year 1", "Date: Mon, 01 Jan 0001 00:00:00 GMT\nCache-Control: max-age=60" + validator, 61 * time.Second, Revalidated, ""},
		{"no Date", "NODATE\nCache-Control: max-age=60", 59 * time.Second, Hit, ""},

		// Section 5.2.2: directives.
		{"no-store", "Cache-Control: no-store, max-age=60", 0, Pass, "no-store"},
		{"no-store in capitals", "Cache-Control: No-Store, max-age=60", 0, Pass, ""},
		{"no-store with a value", "Cache-Control: no-store=x, max-age=60", 0, Pass, ""},
		{"no-store in a second field", "Cache-Control: max-age=60\nCache-Control: no-store", 0, Pass, ""},
		{"no-store in an extension's quotes", `Cache-Control: ext="no-store", max-age=60`, 59 * time.Second, Hit, ""},
		{"no-store in the past of a validator", "Cache-Control: no-store" + validator, 0, Pass, ""},
		{"private", "Cache-Control: private, max-age=60", 0, Pass, "no-store"},
		{"private for a field", `Cache-Control: private="x-a", max-age=60`, 0, Pass, ""},
		{"private and s-maxage", "Cache-Control: private, s-maxage=60", 0, Pass, ""},
		{"no-cache", "Cache-Control: no-cache, max-age=60", 0, Pass, ""},
		{"no-cache with a validator", "Cache-Control: no-cache, max-age=60" + validator, 0, Revalidated, "private, no-cache"},
		{"no-cache for a field", `Cache-Control: no-cache="x-a", max-age=60` + validator, 0, Revalidated, ""},
		{"must-revalidate, fresh", "Cache-Control: max-age=60, must-revalidate", 59 * time.Second, Hit, "private, max-age=60, must-revalidate"},
		{"must-revalidate, stale", "Cache-Control: max-age=60, must-revalidate, stale-while-revalidate=60", 61 * time.Second, Miss, ""},
		{"proxy-revalidate, stale", "Cache-Control: max-age=60, proxy-revalidate, stale-while-revalidate=60", 61 * time.Second, Miss, ""},
		{"s-maxage forbids stale", "Cache-Control: s-maxage=60, stale-while-revalidate=60", 61 * time.Second, Miss, ""},
		{"must-understand overrules no-store", "Cache-Control: must-understand, no-store, max-age=60", 59 * time.Second, Hit, ""},
		{"must-understand of a status unknown", "299\nCache-Control: must-understand, max-age=60", 0, Pass, ""},
		{"unknown directives", "Cache-Control: immutable, no-transform, x=1, max-age=60", 59 * time.Second, Hit, ""},
		{"unfinished quotes", `Cache-Control: max-age=60, x="`, 0, Pass, ""},
		{"rubbish", "Cache-Control: max-age=60, @", 0, Pass, ""},
		{"empty elements", "Cache-Control: ,, max-age=60,,", 59 * time.Second, Hit, ""},
		{"Pragma", "Pragma: no-cache\nExpires: NOW+60s", 0, Pass, ""},
		{"Pragma under Cache-Control", "Pragma: no-cache\nCache-Control: max-age=60", 59 * time.Second, Hit, ""},
		{"Pragma public", "Pragma: public\nExpires: NOW+60s", 59 * time.Second, Hit, ""},

		// RFC 5861 section 3.
		{"stale-while-revalidate, fresh", "Cache-Control: max-age=60, stale-while-revalidate=30", 59 * time.Second, Hit, ""},
		{"stale-while-revalidate", "Cache-Control: max-age=60, stale-while-revalidate=30", 89 * time.Second, Stale, ""},
		{"stale-while-revalidate, over", "Cache-Control: max-age=60, stale-while-revalidate=30", 90 * time.Second, Miss, ""},
		{"stale-while-revalidate malformed", "Cache-Control: max-age=60, stale-while-revalidate=x", 61 * time.Second, Miss, ""},
		{"stale-while-revalidate and no-cache", "Cache-Control: no-cache, stale-while-revalidate=30" + validator, 0, Revalidated, ""},

		// Section 4.1 and the rest.
		{"Vary on a header", "Cache-Control: max-age=60\nVary: Cookie, User-Agent, Accept-Language", 59 * time.Second, Hit, ""},
		{"Vary on all", "Cache-Control: max-age=60\nVary: *", 0, Pass, ""},
		{"Vary on all among others", "Cache-Control: max-age=60\nVary: Accept, *", 0, Pass, ""},
		{"Vary on all in a second field", "Cache-Control: max-age=60\nVary: Accept\nVary: *", 0, Pass, ""},
		{"Vary malformed", "Cache-Control: max-age=60\nVary: a b", 0, Pass, ""},
		{"Set-Cookie", "Cache-Control: max-age=60\nSet-Cookie: a=b", 0, Pass, "no-store"},
		{"Set-Cookie, public", "Cache-Control: public, max-age=60\nSet-Cookie: a=b", 0, Pass, ""},
		{"Set-Cookie empty", "Cache-Control: max-age=60\nSet-Cookie: ", 0, Pass, ""},
		{"Last-Modified asks again", "Cache-Control: max-age=60\nLast-Modified: NOW-10s", 61 * time.Second, Revalidated, ""},
		{"ETag unquoted isn't sent", "Cache-Control: max-age=60\nEtag: v", 61 * time.Second, Miss, ""},
		{"ETag with a control byte isn't sent", "Cache-Control: max-age=60\nEtag: \"a\x01b\"", 61 * time.Second, Miss, ""},
		{"ETag weak", "Cache-Control: max-age=60\nEtag: W/\"v\"", 61 * time.Second, Revalidated, ""},
		{"two ETags", "Cache-Control: max-age=60\nEtag: \"a\"\nEtag: \"b\"", 61 * time.Second, Miss, ""},
		{"ETag overlong", "Cache-Control: max-age=60\nEtag: \"" + fmt.Sprintf("%0600d", 0) + "\"", 61 * time.Second, Miss, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{})
				o := &origin{answer: func(n int, v *Validators) (*Response, error) {
					if v != nil {
						return says("304\n", ""), nil
					}
					return says(tc.header, fmt.Sprintf("body %d", n)), nil
				}}
				first := ask(t, c, key("/x"), o.fetch)
				if first.body != "body 1" || first.err != nil || tc.control != "" && first.header.Get("Cache-Control") != tc.control {
					t.Fatalf("first reader got %+v, want control %q", first, tc.control)
				}
				time.Sleep(tc.wait)
				second := ask(t, c, key("/x"), o.fetch)
				synctest.Wait()
				want := map[Result]struct {
					body  string
					asked int
				}{Hit: {"body 1", 1}, Stale: {"body 1", 2}, Revalidated: {"body 1", 2}, Miss: {"body 2", 2}, Pass: {"body 2", 2}}[tc.want]
				// What isn't stored is called a pass.
				if second.result == Pass && tc.want == Miss {
					second.result = Miss
				}
				if second.result != tc.want || second.body != want.body || o.count() != want.asked {
					t.Errorf("second reader got %+v and the tool was asked %d times, want %s", second, o.count(), tc.want)
				}
			})
		})
	}
}

// TestRedirectsBoundReuse asks twice by way of a redirect.
func TestRedirectsBoundReuse(t *testing.T) {
	for _, tc := range []struct {
		name string
		hops []Hop
		wait time.Duration
		want Result
	}{
		{"no redirect", nil, 99 * time.Second, Hit},
		{"301 without lifetime", []Hop{{301, http.Header{}}}, 99 * time.Second, Hit},
		{"302 without lifetime", []Hop{{302, http.Header{}}}, 0, Miss},
		{"307 without lifetime", []Hop{{307, http.Header{}}}, 0, Miss},
		{"302 fresh", []Hop{{302, http.Header{"Cache-Control": {"max-age=50"}}}}, 49 * time.Second, Hit},
		{"302 stale", []Hop{{302, http.Header{"Cache-Control": {"max-age=50"}}}}, 51 * time.Second, Miss},
		{"302 old", []Hop{{302, http.Header{"Cache-Control": {"max-age=50"}, "Age": {"45"}}}}, 6 * time.Second, Miss},
		{"no-store", []Hop{{301, http.Header{"Cache-Control": {"no-store"}}}}, 0, Pass},
		{"cookie", []Hop{{301, http.Header{"Set-Cookie": {"a=b"}}}}, 0, Pass},
		{"second of two", []Hop{{301, http.Header{}}, {302, http.Header{"Cache-Control": {"max-age=50"}}}}, 51 * time.Second, Miss},
		{"no stale answers past a redirect that has none", []Hop{{302, http.Header{"Cache-Control": {"max-age=50"}}}}, 51 * time.Second, Miss},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{})
				o := &origin{answer: func(n int, v *Validators) (*Response, error) {
					r := says("Cache-Control: max-age=100, stale-while-revalidate=1000", fmt.Sprint(n))
					r.Hops = tc.hops
					return r, nil
				}}
				ask(t, c, key("/x"), o.fetch)
				time.Sleep(tc.wait)
				second := ask(t, c, key("/x"), o.fetch)
				if second.result != tc.want && !(second.result == Pass && tc.want == Miss) {
					t.Errorf("got %s, want %s", second.result, tc.want)
				}
			})
		})
	}
}
