package cache

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func sized(n int) *origin {
	return &origin{answer: func(int, *Validators) (*Response, error) {
		return says("Cache-Control: max-age=60", strings.Repeat("x", n)), nil
	}}
}

func TestBounds(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		c := newCache(t, Config{MaxBytes: 100_000, MaxObject: 50_000})
		for i := range 100 {
			if g := ask(t, c, key(fmt.Sprint("/", i)), sized(10_000).fetch); g.result != Miss || len(g.body) != 10_000 {
				t.Fatalf("got %s and %d bytes", g.result, len(g.body))
			}
			if s := c.Stats(); s.Bytes > 100_000 || s.Entries > 9 {
				t.Fatalf("%+v", s)
			}
		}
		if s := c.Stats(); s.Entries < 7 || s.Evicted < 91 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("entries", func(t *testing.T) {
		c := newCache(t, Config{MaxEntries: 10})
		for i := range 100 {
			ask(t, c, key(fmt.Sprint("/", i)), sized(1).fetch)
		}
		if s := c.Stats(); s.Entries != 10 || s.Bytes > 15_000 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("all is given back", func(t *testing.T) {
		c := newCache(t, Config{MaxBytes: 1 << 20, Hold: 1000})
		for i := range 200 {
			o := sized(rand.IntN(200_000))
			if i%3 == 0 {
				answer := o.answer
				o.answer = func(n int, v *Validators) (*Response, error) {
					r, err := answer(n, v)
					r.Length = -1
					return r, err
				}
			}
			ask(t, c, key(fmt.Sprint("/", i%50)), o.fetch)
		}
		c.Purge("", "")
		deadline := time.Now().Add(5 * time.Second)
		for c.Stats().Bytes != 0 && time.Now().Before(deadline) { // a fetch lets go after its readers
			time.Sleep(time.Millisecond)
		}
		if s := c.Stats(); s.Bytes != 0 || s.Entries != 0 {
			t.Errorf("%+v", s)
		}
	})
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("object, length known=%t", known), func(t *testing.T) {
			c := newCache(t, Config{MaxBytes: 1 << 20, MaxObject: 100_000})
			o := sized(3 << 20)
			if !known {
				answer := o.answer
				o.answer = func(n int, v *Validators) (*Response, error) {
					r, err := answer(n, v)
					r.Length = -1
					return r, err
				}
			}
			for range 2 {
				if g := ask(t, c, key("/x"), o.fetch); len(g.body) != 3<<20 || g.err != nil {
					t.Errorf("got %d bytes, %v", len(g.body), g.err)
				}
			}
			if s := c.Stats(); s.Entries != 0 || s.Bytes > 1<<20 || o.count() != 2 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestSlowReadersHoldTheBudget: what they read still counts after it was evicted, and
// when all is used up answers pass unstored.
func TestSlowReadersHoldTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{MaxBytes: 100_000, MaxObject: 50_000})
		var answers []Answer
		for i := range 20 {
			a, err := c.Get(t.Context(), key(fmt.Sprint("/", i)), sized(10_000).fetch, nil)
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, a)
			if s := c.Stats(); s.Bytes > 100_000 {
				t.Fatalf("%+v after %d", s, i)
			}
		}
		for i := range answers {
			if g := reply(&answers[i], "GET", nil, nil); len(g.body) != 10_000 || g.err != nil {
				t.Errorf("reader %d got %d bytes, %v", i, len(g.body), g.err)
			}
			answers[i].Close()
		}
		synctest.Wait()
		if g := ask(t, c, key("/again"), sized(10_000).fetch); g.result != Miss {
			t.Errorf("got %s", g.result)
		}
		if g := ask(t, c, key("/again"), sized(10_000).fetch); g.result != Hit {
			t.Errorf("got %s", g.result)
		}
	})
}

// endless is a body without end that counts what was read.
type endless struct {
	mu   sync.Mutex
	read int64
	stop bool
}

func (e *endless) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop {
		return 0, io.EOF
	}
	e.read += int64(len(p))
	return len(p), nil
}

func (e *endless) Close() error { return nil }

// TestEndlessBody: no more is read than the slowest reader takes, plus a window; and that
// reader can't hold up a faster one for ever.
func TestEndlessBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{MaxBytes: 4 << 20, MaxObject: 1 << 20})
		body := new(endless)
		o := &origin{answer: func(int, *Validators) (*Response, error) {
			time.Sleep(time.Second)
			r := says("Cache-Control: max-age=60", "")
			r.Body, r.Length = body, -1
			return r, nil
		}}
		slow := &slowWriter{ResponseRecorder: httptest.NewRecorder(), gate: make(chan struct{})}
		fast := &slowWriter{ResponseRecorder: httptest.NewRecorder(), gate: make(chan struct{})}
		ended := make(chan error, 2)
		go func() { ended <- serve(t, c, o.fetch, slow) }()
		go func() { ended <- serve(t, c, o.fetch, fast) }()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if body.read > 2<<20 || c.Stats().Bytes > 4<<20 {
			t.Errorf("%d bytes were read though nobody took any", body.read)
		}
		stop := make(chan struct{})
		go func() { // the fast one goes on
			for {
				select {
				case fast.gate <- struct{}{}:
				case <-stop:
					return
				}
				if len(fast.text()) > 8<<20 {
					body.mu.Lock()
					body.stop = true
					body.mu.Unlock()
				}
			}
		}()
		if err := <-ended; err != nil {
			t.Errorf("the fast one: %v", err)
		}
		close(stop)
		close(slow.gate)
		if err := <-ended; err != errSlow {
			t.Errorf("the slow one: %v", err)
		}
		synctest.Wait()
		if s := c.Stats(); s.Bytes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestManySlowReaders: each of something else, and nobody takes anything.
func TestManySlowReaders(t *testing.T) {
	for _, length := range []int64{-1, 1 << 30, 900_000} {
		t.Run(fmt.Sprint("length ", length), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const readers, max = 1000, 2 << 20
				c := newCache(t, Config{MaxBytes: max, MaxObject: 1 << 20})
				body := new(endless)
				o := &origin{answer: func(int, *Validators) (*Response, error) {
					r := says("Cache-Control: max-age=60", "")
					r.Body, r.Length = body, length
					return r, nil
				}}
				ctx, leave := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for i := range readers {
					wg.Go(func() {
						a, err := c.Get(ctx, key(fmt.Sprint("/", i)), o.fetch, nil)
						if err == nil {
							defer a.Close()
							r := a.Reply("GET", nil, nil)
							err = r.WriteTo(&stuck{ResponseRecorder: httptest.NewRecorder(), until: ctx.Done()})
						}
						if err == nil {
							t.Error("a stuck reader got all")
						}
					})
				}
				synctest.Wait()
				if s := c.Stats(); s.Bytes > max || body.read > max+readers*(window+2*windowBlock) {
					t.Errorf("%d bytes were read, %+v", body.read, s)
				}
				leave()
				body.stopNow()
				wg.Wait()
				synctest.Wait()
				if s := c.Stats(); s.Bytes != 0 && length < 0 {
					t.Errorf("then %+v", s)
				}
			})
		})
	}
}

// stuck is a reader's connection that takes nothing.
type stuck struct {
	*httptest.ResponseRecorder
	until <-chan struct{}
}

func (s *stuck) Write([]byte) (int, error) {
	<-s.until
	return 0, io.ErrClosedPipe
}

func (e *endless) stopNow() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stop = true
}

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		bad  bool
	}{
		{"zero", Config{}, false},
		{"no heuristic", Config{Heuristic: -1}, false},
		{"bytes", Config{MaxBytes: -1}, true},
		{"entries", Config{MaxEntries: -1}, true},
		{"hold", Config{Hold: -1}, true},
		{"an object larger than all", Config{MaxBytes: 10, MaxObject: 11}, true},
	} {
		c, err := New(tc.cfg)
		if (err != nil) != tc.bad {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err == nil {
			c.Close()
		}
	}
}
