package cache

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowTool answers with a body that the test writes.
type slowTool struct {
	origin
	header chan string // what to say
	body   *io.PipeWriter
	ctx    context.Context
}

func newSlowTool(length int64) *slowTool {
	s := &slowTool{header: make(chan string)}
	r, w := io.Pipe()
	s.body = w
	s.answer = func(int, *Validators) (*Response, error) {
		select {
		case text := <-s.header:
			res := says(text, "")
			res.Body, res.Length = r, length
			context.AfterFunc(s.ctx, func() { r.CloseWithError(context.Cause(s.ctx)) })
			return res, nil
		case <-s.ctx.Done():
			return nil, context.Cause(s.ctx)
		}
	}
	return s
}

func (s *slowTool) fetch(ctx context.Context, v *Validators) (*Response, error) {
	s.mu.Lock()
	if s.ctx == nil {
		s.ctx = ctx
	}
	s.mu.Unlock()
	return s.origin.fetch(ctx, v)
}

func TestEqualRequestsAreOneFetch(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		fetches      int
	}{
		{"stored", "Cache-Control: max-age=60", 1},
		{"no lifetime", "", 1},
		{"no-store", "Cache-Control: no-store", 10},
		{"private", "Cache-Control: private", 10},
		{"cookie", "Set-Cookie: a=b", 10},
		{"no-cache", "Cache-Control: no-cache\nEtag: \"a\"", 10},
		{"an error status", "500", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{})
				o := &origin{answer: func(n int, v *Validators) (*Response, error) {
					time.Sleep(time.Second)
					if v != nil {
						return says("304", ""), nil
					}
					return says(tc.header, "body"), nil
				}}
				var got [10]got
				var wg sync.WaitGroup
				for i := range got {
					wg.Go(func() { got[i] = ask(t, c, key("/x"), o.fetch) })
				}
				wg.Wait()
				for _, g := range got {
					if g.err != nil || g.body != "body" {
						t.Errorf("got %+v", g)
					}
				}
				if o.count() != tc.fetches {
					t.Errorf("%d fetches, want %d", o.count(), tc.fetches)
				}
			})
		})
	}
}

func TestErrorsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{})
		o := &origin{answer: func(int, *Validators) (*Response, error) { time.Sleep(time.Second); return nil, errTool }}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if g := ask(t, c, key("/x"), o.fetch); !errors.Is(g.err, errTool) {
					t.Errorf("got %+v", g)
				}
			})
		}
		wg.Wait()
		if o.count() != 1 {
			t.Errorf("%d fetches", o.count())
		}
	})
}

func TestFollowersReadWhileItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{Hold: 4})
		tool := newSlowTool(-1)
		begun := make([]*slowWriter, 0, 3)
		var wg sync.WaitGroup
		join := func() {
			w := &slowWriter{ResponseRecorder: httptest.NewRecorder()}
			begun = append(begun, w)
			wg.Go(func() { serve(t, c, tool.fetch, w) })
		}
		join()
		synctest.Wait()
		tool.header <- "Cache-Control: max-age=60"
		join()
		_, _ = tool.body.Write([]byte("first "))
		synctest.Wait()
		join() // in the middle of the body
		synctest.Wait()
		for i, w := range begun {
			if got := w.text(); got != "first " {
				t.Errorf("reader %d has %q while the body arrives", i, got)
			}
		}
		_, _ = tool.body.Write([]byte("second"))
		tool.body.Close()
		wg.Wait()
		for i, w := range begun {
			if got := w.text(); got != "first second" {
				t.Errorf("reader %d got %q", i, got)
			}
		}
		if g := ask(t, c, key("/x"), tool.fetch); g.result != Hit || g.body != "first second" || tool.count() != 1 {
			t.Errorf("later: %+v", g)
		}
	})
}

// slowWriter may be looked at while it is written.
type slowWriter struct {
	*httptest.ResponseRecorder
	mu   sync.Mutex
	gate chan struct{} // nil, or each write waits for it
}

func (w *slowWriter) Write(p []byte) (int, error) {
	if w.gate != nil {
		<-w.gate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ResponseRecorder.Write(p)
}

func (w *slowWriter) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Body.String()
}

func serve(t *testing.T, c *Cache, fetch Fetch, w http.ResponseWriter) error {
	a, err := c.Get(t.Context(), key("/x"), fetch, nil)
	if err != nil {
		return err
	}
	defer a.Close()
	r := a.Reply("GET", nil, nil)
	return r.WriteTo(w)
}

func TestOneReaderLeaves(t *testing.T) {
	for _, tc := range []struct {
		name    string
		leave   string // when
		header  string
		others  bool
		asEnded bool // the fetch
	}{
		{"before the header, others wait", "before", "Cache-Control: max-age=60", true, false},
		{"before the header, alone", "before", "", false, true},
		{"in the body, others read", "in", "Cache-Control: max-age=60", true, false},
		{"in the body, alone, to be stored", "in", "Cache-Control: max-age=60", false, false},
		{"in the body, alone, not to be stored", "in", "Cache-Control: no-store", false, true},
		{"in the body, others read, not to be stored", "in", "", true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{Hold: 1})
				tool := newSlowTool(-1)
				ctx, leave := context.WithCancel(t.Context())
				left := make(chan error, 1)
				go func() {
					a, err := c.Get(ctx, key("/x"), tool.fetch, nil)
					if err == nil {
						r := a.Reply("GET", nil, nil)
						err = r.WriteTo(httptest.NewRecorder())
						a.Close()
					}
					left <- err
				}()
				synctest.Wait()
				var wg sync.WaitGroup
				var other got
				if tc.others {
					wg.Go(func() { other = ask(t, c, key("/x"), tool.fetch) })
					synctest.Wait()
				}
				if tc.leave == "in" {
					tool.header <- tc.header
					_, _ = tool.body.Write([]byte("begun "))
					synctest.Wait()
				}
				leave()
				if err := <-left; err == nil {
					t.Error("who left got all")
				}
				synctest.Wait()
				if (tool.ctx.Err() != nil) != tc.asEnded {
					t.Fatalf("the fetch's context: %v", tool.ctx.Err())
				}
				if tc.asEnded {
					return
				}
				if tc.leave == "before" {
					tool.header <- tc.header
					_, _ = tool.body.Write([]byte("begun "))
				}
				_, _ = tool.body.Write([]byte("ended"))
				tool.body.Close()
				wg.Wait()
				synctest.Wait()
				if tc.others && (other.body != "begun ended" || other.err != nil) {
					t.Errorf("the other got %+v", other)
				}
				if tc.header != "" {
					if g := ask(t, c, key("/x"), tool.fetch); g.result != Hit || g.body != "begun ended" {
						t.Errorf("later: %+v", g)
					}
				}
			})
		})
	}
}

func TestBrokenBodies(t *testing.T) {
	for _, tc := range []struct {
		name   string
		hold   int64
		length int64
		body   string
		err    error
		want   error
	}{
		{"held", 100, -1, "begun", errTool, errTool},
		{"begun", 1, -1, "begun", errTool, errTool},
		{"too short", 100, 10, "begun", nil, io.ErrUnexpectedEOF},
		{"too short, begun", 1, 10, "begun", nil, io.ErrUnexpectedEOF},
		{"too long", 100, 2, "begun", nil, io.ErrUnexpectedEOF},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{Hold: tc.hold})
				o := &origin{answer: func(int, *Validators) (*Response, error) {
					r := says("Cache-Control: max-age=60", "")
					r.Length = tc.length
					r.Body = io.NopCloser(io.MultiReader(strings.NewReader(tc.body), &failing{tc.err}))
					return r, nil
				}}
				if g := ask(t, c, key("/x"), o.fetch); !errors.Is(g.err, tc.want) {
					t.Errorf("got %+v, want %v", g, tc.want)
				}
				synctest.Wait()
				if s := c.Stats(); s.Entries != 0 || s.Bytes != 0 {
					t.Errorf("stored: %+v", s)
				}
			})
		})
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

func TestUnframedBodiesAreNotStored(t *testing.T) {
	c := newCache(t, Config{})
	o := &origin{answer: func(int, *Validators) (*Response, error) {
		r := says("Cache-Control: max-age=60", "perhaps whole")
		r.Length, r.Unframed = -1, true
		return r, nil
	}}
	for range 2 {
		if g := ask(t, c, key("/x"), o.fetch); g.result != Pass || g.body != "perhaps whole" || g.header.Get("Cache-Control") != "private, max-age=60" {
			t.Errorf("got %+v", g)
		}
	}
}

func TestRangeOfWhatArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{Hold: 1})
		tool := newSlowTool(10)
		var wg sync.WaitGroup
		var one, many, conditional got
		wg.Go(func() { one = ask(t, c, key("/x"), tool.fetch, "Range: bytes=2-3") })
		wg.Go(func() { many = ask(t, c, key("/x"), tool.fetch, "Range: bytes=2-3,5-6") })
		wg.Go(func() { conditional = ask(t, c, key("/x"), tool.fetch, "Range: bytes=2-3", `If-Range: "x"`) })
		synctest.Wait()
		tool.header <- "Cache-Control: max-age=60"
		_, _ = tool.body.Write([]byte("01234"))
		synctest.Wait()
		if one.status != 206 || one.body != "23" || one.header.Get("Content-Range") != "bytes 2-3/10" {
			t.Errorf("before all has come: %+v", one)
		}
		_, _ = tool.body.Write([]byte("56789"))
		tool.body.Close()
		wg.Wait()
		for _, g := range []got{many, conditional} {
			if g.status != 200 || g.body != "0123456789" {
				t.Errorf("got %+v, want the whole", g)
			}
		}
	})
}

func TestPurge(t *testing.T) {
	for _, tc := range []struct {
		tool, prefix string
		gone         string
	}{
		{"maps", "/a", "maps/a1 maps/a2"},
		{"maps", "/a1", "maps/a1"},
		{"maps", "/q?x", "maps/q?x"},
		{"maps", "", "maps/a1 maps/a2 maps/b maps/q?x"},
		{"", "/b", "maps/b other/b"},
		{"", "", "maps/a1 maps/a2 maps/b maps/q?x other/b"},
		{"map", "", ""},
		{"maps", "a", ""},
	} {
		c := newCache(t, Config{})
		o := &origin{answer: func(int, *Validators) (*Response, error) { return says("Cache-Control: max-age=60", "x"), nil }}
		all := []Key{toolKey("maps", "/a1"), toolKey("maps", "/a2"), toolKey("maps", "/b"), toolKey("maps", "/q?x"), toolKey("other", "/b")}
		for _, k := range all {
			ask(t, c, k, o.fetch)
		}
		c.Purge(tc.tool, tc.prefix)
		var gone []string
		for _, k := range all {
			if ask(t, c, k, o.fetch).result == Miss {
				gone = append(gone, k.Scope.Value().Tool+k.url())
			}
		}
		if got := strings.Join(gone, " "); got != tc.gone {
			t.Errorf("purging %q %q took %q, want %q", tc.tool, tc.prefix, got, tc.gone)
		}
	}
}

func TestPurgeOfWhatArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{Hold: 1})
		tool := newSlowTool(-1)
		var wg sync.WaitGroup
		var g got
		wg.Go(func() { g = ask(t, c, key("/x"), tool.fetch) })
		synctest.Wait()
		tool.header <- "Cache-Control: max-age=60"
		_, _ = tool.body.Write([]byte("bad "))
		c.Purge("maps", "/x")
		next := &origin{answer: func(int, *Validators) (*Response, error) { return says("Cache-Control: max-age=60", "good"), nil }}
		if g := ask(t, c, key("/x"), next.fetch); g.body != "good" {
			t.Errorf("after the purge: %+v", g)
		}
		_, _ = tool.body.Write([]byte("body"))
		tool.body.Close()
		wg.Wait()
		synctest.Wait()
		if g.body != "bad body" {
			t.Errorf("who had begun got %+v", g)
		}
		if g := ask(t, c, key("/x"), next.fetch); g.body != "good" || g.result != Hit {
			t.Errorf("what was purged came back: %+v", g)
		}
	})
}

func TestClosed(t *testing.T) {
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	tool := newSlowTool(-1)
	done := make(chan error)
	go func() { done <- serve(t, c, tool.fetch, httptest.NewRecorder()) }()
	for tool.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	c.Close()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := serve(t, c, tool.fetch, httptest.NewRecorder()); err != ErrClosed {
		t.Errorf("got %v", err)
	}
}

// TestPassedAnswersAreNotWaitedFor: after an answer that can't be shared, equal requests
// go to the tool at once, side by side.
func TestPassedAnswersAreNotWaitedFor(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		size         int
		unknown      bool
	}{
		{"no-store", "Cache-Control: no-store", 10, false},
		{"too large", "Cache-Control: max-age=600", 100_001, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{MaxBytes: 1 << 20, MaxObject: 100_000})
				o := &origin{answer: func(int, *Validators) (*Response, error) {
					time.Sleep(time.Minute)
					r := says(tc.header, strings.Repeat("x", tc.size))
					if tc.unknown {
						r.Length = -1
					}
					return r, nil
				}}
				ask(t, c, key("/x"), o.fetch)
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() {
						if g := ask(t, c, key("/x"), o.fetch); len(g.body) != tc.size || g.err != nil {
							t.Errorf("got %d bytes, %v", len(g.body), g.err)
						}
					})
				}
				synctest.Wait()
				if o.count() != 6 {
					t.Errorf("%d fetches while the tool thinks, want 6", o.count())
				}
				wg.Wait()
			})
		})
	}
}
