package reports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
)

// memory is a store for tests of what is done with one; stores have their own.
type memory struct {
	kv.Store
	mu       sync.Mutex
	days     map[string][]byte
	err      error // what Get and Update return
	lateErr  error // what Update returns after it was done
	rewrites int
}

func (m *memory) Get(_ context.Context, keys ...string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	days := maps.Clone(m.days)
	maps.DeleteFunc(days, func(day string, _ []byte) bool { return !slices.Contains(keys, day) })
	return days, m.err
}

func (m *memory) Update(_ context.Context, day string, _ time.Time, change func([]byte) ([]byte, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	value, err := change(m.days[day])
	if err == nil && value != nil {
		m.days[day] = value
		m.rewrites++
	}
	if err == nil {
		err = m.lateErr
	}
	return err
}

func (m *memory) fail(err, lateErr error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err, m.lateErr = err, lateErr
}

func (m *memory) Delete(context.Context, ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err // no test keeps so many days
}

func (m *memory) Close() error { return nil }

func (m *memory) state(day string) (value []byte, rewrites int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.days[day], m.rewrites
}

// errAway: a store that is down.
var errAway = errors.New("the store is away")

func newMemory() *memory { return &memory{days: make(map[string][]byte)} }

func TestAnswers(t *testing.T) {
	good := violationOf("https://cdn.example")
	for name, c := range map[string]struct {
		method, contentType, body string
		headers                   map[string]string
		status                    int
		text                      string
		reason                    Reason
	}{
		"Reporting API":             {"POST", "application/reports+json", "[" + good + "]", nil, 204, "", ""},
		"report-uri":                {"POST", "application/csp-report", good, nil, 204, "", ""},
		"JSON with a charset":       {"POST", "Application/JSON; charset=utf-8", good, nil, 204, "", ""},
		"from the wiki's page":      {"POST", "application/json", good, map[string]string{"Origin": wiki}, 204, "", ""},
		"an empty array":            {"POST", "application/reports+json", "[]", nil, 204, "", ""},
		"GET":                       {"GET", "", "", nil, 405, "POST", RefusedMethod},
		"PUT":                       {"PUT", "application/json", good, nil, 405, "POST", RefusedMethod},
		"text":                      {"POST", "text/plain", good, nil, 415, "application/csp-report", RefusedType},
		"no type":                   {"POST", "", good, nil, 415, "application/csp-report", RefusedType},
		"a broken type":             {"POST", "application/json; =", good, nil, 415, "application/csp-report", RefusedType},
		"compressed":                {"POST", "application/json", good, map[string]string{"Content-Encoding": "gzip"}, 415, "Content-Encoding", RefusedEncoding},
		"from a stranger's page":    {"POST", "application/json", good, map[string]string{"Origin": "https://evil.example"}, 403, "this wiki's", RefusedOrigin},
		"from a sandboxed frame":    {"POST", "application/json", good, map[string]string{"Origin": "null"}, 403, "this wiki's", RefusedOrigin},
		"nothing":                   {"POST", "application/json", "", nil, 400, "not JSON", BadJSON},
		"a form":                    {"POST", "application/json", "a=b", nil, 400, "not JSON", BadJSON},
		"a number":                  {"POST", "application/json", "7", nil, 400, "JSON object", BadObject},
		"an object":                 {"POST", "application/json", "{}", nil, 400, "violation", BadForm},
		"deep":                      {"POST", "application/json", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), nil, 400, "deep", BadDepth},
		"a large report":            {"POST", "application/json", `{"a":"` + strings.Repeat("x", MaxReport) + `"}`, nil, 413, "8 KB", BadSize},
		"a body as large as can be": {"POST", "application/json", good + strings.Repeat(" ", MaxBatch-len(good)), nil, 204, "", ""},
		"a byte more":               {"POST", "application/json", good + strings.Repeat(" ", MaxBatch-len(good)+1), nil, 413, "64 KB", RefusedSize},
	} {
		t.Run(name, func(t *testing.T) {
			for _, chunked := range []bool{false, true} {
				var told []string
				store := newMemory()
				collector := collector(t, Config{Store: store, Observe: func(outcome string, reason Reason, n int) {
					told = append(told, fmt.Sprint(outcome, " ", reason, " ", n))
				}})
				r := httptest.NewRequest(c.method, "/", strings.NewReader(c.body))
				if chunked {
					r.ContentLength = -1
				}
				if c.contentType != "" {
					r.Header.Set("Content-Type", c.contentType)
				}
				for k, v := range c.headers {
					r.Header.Set(k, v)
				}
				w := httptest.NewRecorder()
				collector.ServeHTTP(w, r)
				if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) || c.status == 204 && w.Body.Len() > 0 {
					t.Errorf("answered %d, %q; want %d with %q", w.Code, w.Body, c.status, c.text)
				}
				accepted := uint64(0)
				if c.status == 204 && c.body != "[]" {
					accepted = 1
				}
				s := today(t, collector)
				if s.Accepted != accepted {
					t.Errorf("%d were counted, want %d", s.Accepted, accepted)
				}
				if c.reason != "" && (s.Refused[c.reason] != 1 || !slices.Contains(told, fmt.Sprintf("refused %s 1", c.reason))) {
					t.Errorf("counted as refused: %v, told: %v; want %s", s.Refused, told, c.reason)
				}
				if c.reason == "" && (len(s.Refused) > 0 || accepted == 1 && !slices.Equal(told, []string{"accepted  1"})) {
					t.Errorf("counted as refused: %v, told: %v", s.Refused, told)
				}
				if c.status == 405 && w.Header().Get("Allow") != "POST, OPTIONS" {
					t.Errorf("Allow: %q", w.Header().Get("Allow"))
				}
			}
		})
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	c := collector(t, Config{})
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("["), errReader{}))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if s := today(t, c); w.Code != 400 || s.Refused[RefusedBody] != 1 {
		t.Errorf("answered %d, %v", w.Code, s.Refused)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// What a page of another of the wiki's origins must be told, and no more.
func TestCORS(t *testing.T) {
	const other = "https://m.wiki.example"
	c := collector(t, Config{})
	for name, k := range map[string]struct {
		method  string
		headers map[string]string
		status  int
		want    map[string]string
	}{
		"preflight": {
			"OPTIONS", map[string]string{"Origin": other, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}, 204,
			map[string]string{
				"Access-Control-Allow-Origin": other, "Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "Content-Type",
				"Access-Control-Max-Age": "86400", "Vary": "Origin",
			},
		},
		"a stranger's preflight": {
			"OPTIONS", map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, 403, map[string]string{"Vary": "Origin"},
		},
		"a port of ours that is not ours": {
			"OPTIONS", map[string]string{"Origin": wiki + ":8443", "Access-Control-Request-Method": "POST"}, 403, map[string]string{"Vary": "Origin"},
		},
		"OPTIONS without a question": {"OPTIONS", nil, 204, map[string]string{"Allow": "POST, OPTIONS"}},
		"a report": {
			"POST", map[string]string{"Origin": other, "Content-Type": "application/reports+json"}, 204,
			map[string]string{"Access-Control-Allow-Origin": other, "Vary": "Origin"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(k.method, "/", strings.NewReader(violationOf("https://cdn.example")))
			for name, value := range k.headers {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			c.ServeOwn(w, r, func(origin string) bool { return origin == wiki || origin == other })
			got := w.Header()
			for _, usual := range []string{"Cache-Control", "Content-Type", "X-Content-Type-Options"} {
				got.Del(usual)
			}
			want := make(http.Header)
			for name, value := range k.want {
				want.Set(name, value)
			}
			if w.Code != k.status || !maps.EqualFunc(got, want, slices.Equal) {
				t.Errorf("answered %d, %v; want %d, %v", w.Code, got, k.status, want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := collector(t, Config{
			Store: newMemory(), Client: func(r *http.Request) string { return r.Header.Get("X-Mask") },
			PerClient: Rate{PerSecond: 1, Burst: 5}, Overall: Rate{PerSecond: 2, Burst: 12},
		})
		good := violationOf("https://cdn.example")
		send := func(mask, body string) {
			t.Helper()
			if w := post(c, body, "X-Mask", mask); w.Code != 204 || w.Body.Len() > 0 {
				t.Errorf("answered %d", w.Code)
			}
		}
		check := func(what string, accepted, client, overall uint64) {
			t.Helper()
			s := today(t, c)
			if s.Accepted != accepted || s.Limited[LimitClient] != client || s.Limited[LimitOverall] != overall {
				t.Errorf("%s: %d accepted, limited %v; want %d, %d, %d", what, s.Accepted, s.Limited, accepted, client, overall)
			}
		}
		for range 7 {
			send("a", good)
		}
		check("one by one", 5, 2, 0)
		send("b", "["+strings.Repeat(good+",", 7)+good+"]")
		check("many at once", 10, 5, 0)
		send("a", "[garbage")
		check("over the limit nothing is read", 10, 6, 0)
		for range 4 {
			send("c", good)
		}
		check("all together", 12, 6, 2)
		for range 2 {
			send("", good)
		}
		check("without a key", 12, 6, 4)
		time.Sleep(time.Second)
		send("a", "["+good+","+good+"]")
		send("", good)
		check("a second later", 14, 7, 4)
		// Bad records use the limit up too.
		time.Sleep(time.Minute)
		send("d", "["+good+strings.Repeat(",{}", 10)+"]")
		send("d", good)
		check("bad ones", 15, 8, 4)
	})
}

func TestClientsAreBounded(t *testing.T) {
	l, err := newLimits(unlimited, Rate{PerSecond: 1e-9, Burst: 1}, 100)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range 10_000 {
		if over := l.take(l.client(fmt.Sprint("2001:2f::", i)), now); over != "" {
			t.Fatalf("client %d is over the limit of %s", i, over)
		}
	}
	if n := l.clients.Len(); n != 100 {
		t.Errorf("%d clients are kept", n)
	}
	if over := l.take(l.client("2001:2f::9999"), now); over != LimitClient {
		t.Errorf("the last one again: %q", over)
	}
}

func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		c := collector(t, Config{Store: store})
		start := time.Now().UTC() // midnight
		script := func(file, blocked string) string {
			return strings.Replace(violationOf(blocked), `"disposition"`, `"sourceFile":"`+wiki+file+`","disposition"`, 1)
		}
		post(c, script("/w/load.php?modules=ext.gadget.Map", "https://tiles.example/1.png"))
		c.PageView()
		c.PageView()
		if err := c.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * time.Minute)
		post(c, "["+script("/w/load.php?modules=ext.gadget.Map", "https://tiles.example/2.png")+","+
			script("/w/load.php?modules=ext.gadget.Chart", "https://tiles.example/2.png")+`,{},`+violationOf("about:blank")+"]")
		c.PageView()
		time.Sleep(24 * time.Hour)
		post(c, strings.ReplaceAll(violationOf("https://tiles.example"), "/wiki/A", "/wiki/B"))

		s, err := c.Snapshot(t.Context(), start, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if s.Accepted != 4 || s.PageViews != 3 || s.Noise[NoiseAbout] != 1 || s.Bad[BadForm] != 1 || s.Lost != 0 {
			t.Errorf("got %+v", s)
		}
		if len(s.Origins) != 1 || s.Origins[0].Count != 4 || s.Origins[0].Missed != 0 {
			t.Errorf("origins %+v", s.Origins)
		}
		var gadgets []string
		for _, g := range s.Groups {
			gadgets = append(gadgets, fmt.Sprint(g.Gadget, " ", g.Blocked, " ", g.Count, " ", g.Page))
		}
		want := []string{"ext.gadget.Map https://tiles.example 2 ", " https://tiles.example 1 /wiki/B", "ext.gadget.Chart https://tiles.example 1 "}
		if !slices.Equal(gadgets, want) {
			t.Errorf("groups %q, want %q", gadgets, want)
		}
		g := s.Groups[0]
		if !g.First.Equal(start) || !g.Last.Equal(start.Add(90*time.Minute)) {
			t.Errorf("seen from %v to %v", g.First, g.Last)
		}
		hours := maps.Collect(g.Hours())
		if !maps.Equal(hours, map[time.Time]uint64{start: 1, start.Add(time.Hour): 1}) {
			t.Errorf("hours %v", hours)
		}
		next := start.Add(24 * time.Hour)
		last := next.Add(time.Hour)
		if hours := maps.Collect(s.Hours()); !maps.Equal(hours, map[time.Time]uint64{start: 1, start.Add(time.Hour): 2, last: 1}) {
			t.Errorf("hours of all %v", hours)
		}
		// Views belong to the hour of the flush after them, which comes each hour here.
		if views := maps.Collect(s.ViewHours()); !maps.Equal(views, map[time.Time]uint64{start: 2, start.Add(2 * time.Hour): 1}) {
			t.Errorf("views %v", views)
		}
		if s, err = c.Snapshot(t.Context(), next, next); err != nil || s.Accepted != 1 || len(s.Groups) != 1 {
			t.Errorf("the second day alone: %+v, %v", s, err)
		}
		if _, err = c.Snapshot(t.Context(), next, start); err == nil {
			t.Error("a snapshot that ends before it starts")
		}
	})
}

func TestFlushGoesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		var log bytes.Buffer
		c := collector(t, Config{Store: store, Flush: 10 * time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))})
		stored := func() uint64 {
			value, _ := store.state(dayName(time.Now()))
			d, err := decodeDay(value, 10)
			if err != nil {
				t.Fatal(err)
			}
			return d.reports.sum()
		}
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		post(c, violationOf("https://cdn.example"))
		if wait(9 * time.Second); stored() != 0 {
			t.Error("written early")
		}
		if wait(2 * time.Second); stored() != 1 {
			t.Error("not written in time")
		}
		_, before := store.state("")
		wait(time.Minute)
		if _, after := store.state(""); after != before {
			t.Error("nothing new was written")
		}

		store.fail(errAway, nil)
		post(c, violationOf("https://cdn.example"))
		wait(15 * time.Second)
		post(c, violationOf("https://cdn.example"))
		wait(time.Minute)
		if n := strings.Count(log.String(), "can't be written"); n != 1 {
			t.Errorf("told %d times that it can't be written", n)
		}
		store.fail(nil, errors.New("the answer is lost"))
		wait(time.Minute)
		store.fail(nil, nil)
		wait(20 * time.Second)
		if got := stored(); got != 3 {
			t.Errorf("%d are written, want 3", got)
		}
		if !strings.Contains(log.String(), "written again") {
			t.Error("nobody was told that it works again")
		}
		if got := today(t, c).Accepted; got != 3 {
			t.Errorf("%d in the snapshot", got)
		}
	})
}

// A write whose answer was lost is in the snapshot once.
func TestSnapshotAfterALostAnswer(t *testing.T) {
	store := newMemory()
	c := collector(t, Config{Store: store})
	post(c, violationOf("https://cdn.example"))
	store.fail(nil, errors.New("the answer is lost"))
	if err := c.Flush(t.Context()); err == nil {
		t.Fatal("no error")
	}
	post(c, violationOf("https://cdn.example"))
	if got := today(t, c).Accepted; got != 2 {
		t.Errorf("%d are counted, want 2", got)
	}
	store.fail(nil, nil)
}

// While the store is away memory stays bounded, whatever the clock does.
func TestStoreIsAwayForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		var log bytes.Buffer
		c := collector(t, Config{Store: store, Flush: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil))})
		store.fail(errAway, nil)
		start := time.Now()
		for range 10 {
			post(c, violationOf("https://cdn.example"))
			time.Sleep(24 * time.Hour)
		}
		synctest.Wait()
		c.mu.Lock()
		current := len(c.current)
		c.mu.Unlock()
		c.flushing.Lock()
		n := current + len(c.pending)
		c.flushing.Unlock()
		if n > 2*maxUnwritten {
			t.Errorf("%d days are in memory", n)
		}
		if !strings.Contains(log.String(), "of a day are lost") {
			t.Error("nobody was told of the loss")
		}
		store.fail(nil, nil)
		s, err := c.Snapshot(t.Context(), start, time.Now())
		if err != nil || s.Accepted < maxUnwritten {
			t.Errorf("%d are left, %v", s.Accepted, err)
		}
	})
}

func TestConfigsThatAreRefused(t *testing.T) {
	for name, c := range map[string]Config{
		"no store":         {},
		"negative keep":    {Store: newMemory(), Keep: -1},
		"negative flush":   {Store: newMemory(), Flush: -1},
		"negative groups":  {Store: newMemory(), Groups: -1},
		"negative clients": {Store: newMemory(), Clients: -1},
		"negative rate":    {Store: newMemory(), Overall: Rate{-1, 1}},
		"no burst":         {Store: newMemory(), PerClient: Rate{PerSecond: 1}},
	} {
		if _, err := New(c); err == nil || !strings.HasPrefix(err.Error(), "starting the collector: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	c := collector(t, Config{Overall: unlimited, Flush: time.Millisecond})
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 100 {
				post(c, violationOf("https://cdn.example"))
				c.PageView()
			}
		})
	}
	for range 10 {
		today(t, c)
	}
	work.Wait()
	if s := today(t, c); s.Accepted != 800 || s.PageViews != 800 || s.Groups[0].Count != 800 {
		t.Errorf("%d reports, %d views", s.Accepted, s.PageViews)
	}
}
