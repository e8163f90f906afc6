package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unique"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// origin is a tool that the cache asks.
type origin struct {
	mu     sync.Mutex
	asked  []string // validators sent, "" for none
	answer func(n int, v *Validators) (*Response, error)
}

func (o *origin) fetch(_ context.Context, v *Validators) (*Response, error) {
	o.mu.Lock()
	sent := ""
	if v != nil {
		sent = strings.TrimSpace(v.ETag + " " + v.LastModified)
	}
	o.asked = append(o.asked, sent)
	n, answer := len(o.asked), o.answer
	o.mu.Unlock()
	return answer(n, v)
}

func (o *origin) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.asked)
}

// says is a response from text: a status, then header lines. Its Date is now
// unless the text has one; NODATE is none.
func says(text, body string) *Response {
	r := &Response{Status: 200, Header: make(http.Header), URL: "https://tool/x", ContentType: "text/plain", Length: int64(len(body))}
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case line == "NODATE" || name == "Date":
			r.Header.Del("Date")
		case !ok:
			if _, err := fmt.Sscan(line, &r.Status); err != nil {
				panic(line)
			}
		}
		if ok {
			r.Header.Add(name, timed(value))
		}
	}
	r.Body = io.NopCloser(strings.NewReader(body))
	return r
}

// timed replaces NOW+1h and the like by a date.
func timed(value string) string {
	rest, ok := strings.CutPrefix(value, "NOW")
	if !ok {
		return value
	}
	d := time.Duration(0)
	if rest != "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil {
			panic(err)
		}
	}
	return time.Now().Add(d).UTC().Format(http.TimeFormat)
}

func newCache(t testing.TB, cfg Config) *Cache {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func key(path string) Key { return toolKey("maps", path) }

func toolKey(tool, path string) Key {
	path, query, any := strings.Cut(path, "?")
	return Key{Scope: unique.Make(Scope{Tool: tool, Declaration: "1", Variant: "data"}), Path: path, Query: query, AnyQuery: any}
}

// got is what a reader got.
type got struct {
	result Result
	status int
	header http.Header
	body   string
	err    error
}

// ask gets a key as a reader does.
func ask(t testing.TB, c *Cache, k Key, fetch Fetch, header ...string) got {
	return askAs(t, c, http.MethodGet, k, fetch, header...)
}

func askAs(t testing.TB, c *Cache, method string, k Key, fetch Fetch, header ...string) got {
	t.Helper()
	h := make(http.Header)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	want, err := ParseRange(h["Range"])
	if err != nil {
		return got{status: 416, err: err}
	}
	a, err := c.Get(context.Background(), k, fetch, nil)
	if err != nil {
		return got{err: err}
	}
	defer a.Close()
	return reply(&a, method, h, want)
}

func reply(a *Answer, method string, h http.Header, want *Range) got {
	w := httptest.NewRecorder()
	r := a.Reply(method, h, want)
	if r.ContentType != "" {
		w.Header().Set("Content-Type", r.ContentType)
	}
	w.Header().Set("Cache-Control", r.CacheControl)
	if r.Length >= 0 {
		w.Header().Set("Content-Length", fmt.Sprint(r.Length))
	}
	r.PutHeader(w.Header())
	w.WriteHeader(r.Status)
	err := r.WriteTo(w)
	return got{a.Result, r.Status, w.Header(), w.Body.String(), err}
}

var errTool = errors.New("the tool is broken")

func makeScope(s Scope) unique.Handle[Scope] { return unique.Make(s) }
