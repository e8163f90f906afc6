package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// serving has refreshed answers serve for so long after their lifetime.
func serving(d time.Duration) func(time.Duration) time.Duration {
	return func(time.Duration) time.Duration { return d }
}

// numbered answers with the number of the request as body.
func numbered(header string) *origin {
	return &origin{answer: func(n int, _ *Validators) (*Response, error) { return says(header, fmt.Sprint(n)), nil }}
}

// TestRefreshAsksInAnyCase: fresh or not, and readers get what is stored meanwhile.
func TestRefreshAsksInAnyCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{})
		o := numbered("Cache-Control: max-age=100\nEtag: \"1\"")
		for i := range 3 {
			got, err := c.Refresh(t.Context(), key("/x"), o.fetch, nil)
			if err != nil || got != (Refreshed{200, true, 100 * time.Second}) || o.count() != i+1 {
				t.Fatalf("refresh %d: %+v, %v", i, got, err)
			}
			if g := ask(t, c, key("/x"), o.fetch); g.result != Hit || g.body != fmt.Sprint(i+1) {
				t.Errorf("a reader got %s %q", g.result, g.body)
			}
		}
		if o.asked[0] != "" || o.asked[2] != `"1"` {
			t.Errorf("validators %q", o.asked)
		}
		if s := c.Stats(); s.Requests[Miss] != 0 || s.Requests[Hit] != 3 {
			t.Errorf("refreshes count as readers': %+v", s)
		}
	})
}

func TestRefreshOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer func(n int, v *Validators) (*Response, error)
		want   Refreshed
		err    error
		after  Result // what a reader then gets of the answer that there was before; "" for none
	}{
		{"confirmed", func(int, *Validators) (*Response, error) {
			return says("304\nCache-Control: max-age=50\nEtag: \"1\"", ""), nil
		}, Refreshed{304, true, 50 * time.Second}, nil, Hit},
		{"must not be kept", func(int, *Validators) (*Response, error) { return says("Cache-Control: no-store", "new"), nil }, Refreshed{Status: 200}, nil, ""},
		{"is one reader's", func(int, *Validators) (*Response, error) {
			return says("Cache-Control: max-age=50\nSet-Cookie: a=b", "new"), nil
		}, Refreshed{Status: 200}, nil, ""},
		{"fails", func(int, *Validators) (*Response, error) { return nil, errTool }, Refreshed{}, errTool, Hit},
		{"is refused", func(int, *Validators) (*Response, error) { return nil, &FinalError{errTool} }, Refreshed{}, errTool, Hit},
		{"fails with a status", func(int, *Validators) (*Response, error) { return says("503", "no"), nil }, Refreshed{Status: 503}, nil, Hit},
		{"is asked too often", func(int, *Validators) (*Response, error) { return says("429", "no"), nil }, Refreshed{Status: 429}, nil, Hit},
		{"breaks off", func(int, *Validators) (*Response, error) {
			r := says("Cache-Control: max-age=50", "new")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("n"), broken{}))
			return r, nil
		}, Refreshed{Status: 200}, errTool, Hit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{})
				ask(t, c, key("/x"), numbered("Cache-Control: max-age=100\nEtag: \"1\"").fetch)
				o := &origin{answer: tc.answer}
				got, err := c.Refresh(t.Context(), key("/x"), o.fetch, nil)
				if got != tc.want || !errors.Is(err, tc.err) {
					t.Errorf("got %+v, %v; want %+v, %v", got, err, tc.want, tc.err)
				}
				answer, ok := c.Lookup(t.Context(), key("/x"))
				if ok != (tc.after != "") {
					t.Fatalf("there is an answer: %t", ok)
				}
				if ok {
					if g := reply(&answer, "GET", nil, nil); answer.Result != tc.after || g.body != "1" {
						t.Errorf("a reader gets %s %q", answer.Result, g.body)
					}
					answer.Close()
				}
			})
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errTool }

// TestHeldAnswers: a refreshed answer serves on for the time that was said, and not where
// the tool forbids it; nobody is asked for readers meanwhile.
func TestHeldAnswers(t *testing.T) {
	for header, holds := range map[string]bool{
		"Cache-Control: max-age=100": true, "Cache-Control: max-age=100, stale-while-revalidate=500": true,
		"Cache-Control: max-age=100, must-revalidate": false, "Cache-Control: max-age=100, proxy-revalidate": false, "Cache-Control: s-maxage=100": false,
	} {
		t.Run(header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{})
				o := numbered(header)
				if _, err := c.Refresh(t.Context(), key("/x"), o.fetch, serving(50*time.Second)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(149 * time.Second)
				answer, ok := c.Lookup(t.Context(), key("/x"))
				if ok != holds {
					t.Fatalf("it serves: %t", ok)
				}
				if ok {
					if answer.Result != Stale {
						t.Errorf("it is a %s", answer.Result)
					}
					answer.Close()
					if g := ask(t, c, key("/x"), o.fetch); g.result != Stale || g.body != "1" {
						t.Errorf("a reader got %s %q", g.result, g.body)
					}
				}
				synctest.Wait()
				if o.count() != 1 {
					t.Error("the tool was asked for a reader")
				}
				time.Sleep(2 * time.Second)
				if answer, ok := c.Lookup(t.Context(), key("/x")); ok {
					answer.Close()
					t.Error("it serves for longer than was said")
				}
			})
		})
	}
}

// TestRefreshAndReaders: readers who have nothing to be served from meanwhile follow the
// refresh, and one that begins while a reader's fetch is under way asks all the same.
func TestRefreshAndReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{})
		o := &origin{answer: func(n int, _ *Validators) (*Response, error) {
			time.Sleep(time.Second)
			return says("Cache-Control: max-age=100", fmt.Sprint(n)), nil
		}}
		go func() { _, _ = c.Refresh(context.Background(), key("/x"), o.fetch, nil) }()
		synctest.Wait()
		if g := ask(t, c, key("/x"), o.fetch); g.result != Coalesced || g.body != "1" || o.count() != 1 {
			t.Errorf("a reader got %s %q by %d requests", g.result, g.body, o.count())
		}
		done := make(chan got)
		go func() { done <- ask(t, c, key("/y"), o.fetch) }()
		synctest.Wait()
		if r, err := c.Refresh(t.Context(), key("/y"), o.fetch, nil); err != nil || !r.Kept {
			t.Errorf("%+v, %v", r, err)
		}
		if g := <-done; g.body != "2" || o.count() != 3 {
			t.Errorf("the reader got %q, the tool was asked %d times in all", g.body, o.count())
		}
	})
}

func TestRefreshEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{})
		o := &origin{answer: func(int, *Validators) (*Response, error) {
			time.Sleep(time.Minute)
			return says("Cache-Control: max-age=100", "late"), nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Refresh(ctx, key("/x"), o.fetch, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		time.Sleep(time.Minute)
		if g := ask(t, c, key("/x"), o.fetch); g.result != Hit || g.body != "late" {
			t.Errorf("the fetch that went on left %s %q", g.result, g.body)
		}
		c.Close()
		if _, err := c.Refresh(t.Context(), key("/x"), o.fetch, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed cache: %v", err)
		}
	})
}

// TestBodyThatFails: where the tool breaks off before anything was shown, what there was
// before serves if it may.
func TestBodyThatFails(t *testing.T) {
	for header, want := range map[string]string{
		"Cache-Control: max-age=10, stale-if-error=100": "old", "Cache-Control: max-age=10": "",
		"Cache-Control: max-age=10, stale-if-error=100, must-revalidate": "",
	} {
		t.Run(header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{})
				ask(t, c, key("/x"), (&origin{answer: func(int, *Validators) (*Response, error) { return says(header, "old"), nil }}).fetch)
				time.Sleep(20 * time.Second)
				fails := &origin{answer: func(int, *Validators) (*Response, error) {
					r := says(header, "new")
					r.Length = -1
					r.Body = io.NopCloser(io.MultiReader(strings.NewReader("ne"), broken{}))
					return r, nil
				}}
				for i := range 3 {
					g := ask(t, c, key("/x"), fails.fetch)
					if want == "" && (!errors.Is(g.err, errTool) || g.status != 0) || want != "" && (g.result != Stale || g.body != want || g.err != nil) {
						t.Errorf("reader %d got %+v", i, g)
					}
				}
				if n := fails.count(); want != "" && n != 1 || want == "" && n != 3 {
					t.Errorf("the tool was asked %d times", n)
				}
				c.Purge("", "")
				synctest.Wait()
				if s := c.Stats(); s.Bytes != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}
