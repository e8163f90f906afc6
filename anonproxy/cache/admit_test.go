package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errNotNow = errors.New("not now")

// counted is a caller whose fetches are counted, and refused where it says so.
type counted struct {
	mu       sync.Mutex
	asked    int
	refusing bool
}

func (a *counted) admit() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if a.refusing {
		return errNotNow
	}
	return nil
}

func (a *counted) ask(t testing.TB, c *Cache, k Key, fetch Fetch) got {
	t.Helper()
	answer, err := c.Get(context.Background(), k, fetch, a.admit)
	if err != nil {
		return got{err: err}
	}
	defer answer.Close()
	return reply(&answer, "GET", nil, nil)
}

func TestAdmittedIsWhoFetches(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		fetches      int
	}{
		{"stored", "Cache-Control: max-age=60", 1},
		{"each reader's own", "Cache-Control: no-store", 10},
		{"to be confirmed", "Cache-Control: no-cache\nEtag: \"a\"", 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{})
				o := &origin{answer: func(_ int, v *Validators) (*Response, error) {
					time.Sleep(time.Second)
					if v != nil {
						return says("304", ""), nil
					}
					return says(tc.header, "body"), nil
				}}
				callers := make([]counted, 10)
				var wg sync.WaitGroup
				for i := range callers {
					wg.Go(func() {
						if g := callers[i].ask(t, c, key("/x"), o.fetch); g.body != "body" {
							t.Errorf("got %+v", g)
						}
					})
				}
				wg.Wait()
				total := 0
				for i := range callers {
					total += callers[i].asked
					if tc.fetches == len(callers) && callers[i].asked != 1 { // nobody fetches for another
						t.Errorf("caller %d was asked to admit %d fetches", i, callers[i].asked)
					}
				}
				if total != tc.fetches || o.count() != tc.fetches {
					t.Errorf("asked to admit %d times, fetched %d times, want %d", total, o.count(), tc.fetches)
				}
			})
		})
	}
}

// Who isn't admitted gets what is there, follows what is under way, and is in nobody's way.
func TestNotAdmitted(t *testing.T) {
	for _, tc := range []struct {
		name, control string
		after         time.Duration
		want          string // the body, or an error's
		asked         bool
	}{
		{"fresh", "max-age=60", 0, "1", false},
		{"stale, served meanwhile", "max-age=60, stale-while-revalidate=60", time.Minute, "1", true},
		{"stale, if the tool fails", "max-age=60, stale-if-error=60", time.Minute, errNotNow.Error(), true},
		{"stale", "max-age=60", time.Minute, errNotNow.Error(), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, Config{})
				o := &origin{answer: func(n int, _ *Validators) (*Response, error) {
					return says("Cache-Control: "+tc.control+"\nEtag: \"a\"", fmt.Sprint(n)), nil
				}}
				ask(t, c, key("/x"), o.fetch)
				time.Sleep(tc.after)
				refused := &counted{refusing: true}
				g := refused.ask(t, c, key("/x"), o.fetch)
				if got := g.body + strings.TrimPrefix(fmt.Sprint(g.err), "<nil>"); got != tc.want {
					t.Errorf("got %q, want %q", got, tc.want)
				}
				if (refused.asked > 0) != tc.asked || o.count() != 1 {
					t.Errorf("asked to admit %d times, fetched %d times", refused.asked, o.count())
				}
				synctest.Wait()
				// The next reader finds all as it was: what is stale is asked for at once.
				admitted := new(counted)
				admitted.ask(t, c, key("/x"), o.fetch)
				synctest.Wait()
				if want := map[bool]int{true: 2, false: 1}[tc.asked]; o.count() != want || admitted.asked != want-1 {
					t.Errorf("then asked to admit %d times, fetched %d times", admitted.asked, o.count())
				}
			})
		})
	}
	t.Run("a follower", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCache(t, Config{})
			o := &origin{answer: func(int, *Validators) (*Response, error) {
				time.Sleep(time.Second)
				return says("Cache-Control: max-age=60", "body"), nil
			}}
			go ask(t, c, key("/x"), o.fetch)
			synctest.Wait()
			if g := (&counted{refusing: true}).ask(t, c, key("/x"), o.fetch); g.body != "body" {
				t.Errorf("got %+v", g)
			}
		})
	})
}

// A reader who leaves while it is asked for anew takes nobody's stale answer away.
func TestLeavingKeepsWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{})
		o := &origin{answer: func(n int, _ *Validators) (*Response, error) {
			if n > 1 {
				return nil, errTool
			}
			return says("Cache-Control: max-age=60, stale-if-error=600", "old"), nil
		}}
		ask(t, c, key("/x"), o.fetch)
		time.Sleep(time.Minute)
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				answer, err := c.Get(ctx, key("/x"), func(ctx context.Context, _ *Validators) (*Response, error) {
					<-ctx.Done()
					return nil, &FinalError{Err: ctx.Err()}
				}, nil)
				if err == nil {
					answer.Close()
					t.Error("answered")
				}
			}()
			synctest.Wait()
			cancel()
			synctest.Wait()
		}
		if g := ask(t, c, key("/x"), o.fetch); g.body != "old" || o.count() != 2 {
			t.Errorf("got %+v after %d fetches", g, o.count())
		}
	})
}
