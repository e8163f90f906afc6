package reports

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever serves several hosts says with the request which origin is the wiki's.
func TestServeOwn(t *testing.T) {
	c := collector(t, Config{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.ServeOwn(w, r, func(origin string) bool { return origin == "https://"+r.Header.Get("X-Own") })
	})
	report := violationOf("https://cdn.example")
	if w := post(handler, report, "X-Own", "wiki.example", "Origin", wiki); w.Code != 204 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if w := post(handler, report, "X-Own", "other.example", "Origin", wiki); w.Code != 403 {
		t.Errorf("a page of another host: answered %d", w.Code)
	}
	post(handler, report, "X-Own", "other.example")
	post(handler, report)
	if s := today(t, c); s.Accepted != 1 || s.Bad[BadForeign] != 2 || s.Refused[RefusedOrigin] != 1 {
		t.Errorf("%d accepted, bad %v, refused %v", s.Accepted, s.Bad, s.Refused)
	}
}

// Page views with the policy enforced are among all of them, and are kept.
func TestEnforcedPageViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		c := collector(t, Config{Store: store})
		start := time.Now()
		check := func(what string, c *Collector, views, enforced uint64, hours int) {
			t.Helper()
			s, err := c.Snapshot(t.Context(), start, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			var sum uint64
			n := 0
			for _, count := range s.EnforcedViewHours() {
				sum += count
				n++
			}
			if s.PageViews != views || sum != enforced || n != hours {
				t.Errorf("%s: %d views, %d of them enforced in %d hours, want %d, %d, %d", what, s.PageViews, sum, n, views, enforced, hours)
			}
		}
		c.PageView()
		check("not enforced", c, 1, 0, 0)
		c.EnforcedPageView()
		check("enforced", c, 2, 1, 1)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		c.EnforcedPageView()
		c.EnforcedPageView()
		check("an hour later", c, 4, 3, 2)
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		check("written", collector(t, Config{Store: store}), 4, 3, 2)
	})
}
