package cache

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// left counts a tool's answers that are still in memory.
func left(t *testing.T, c *Cache, tool string, n int) (count int) {
	t.Helper()
	for i := range n {
		if a, ok := c.Lookup(t.Context(), toolKey(tool, fmt.Sprint("/", i))); ok {
			a.Close()
			count++
		}
	}
	return count
}

// TestToolsShare: a tool of which ever so much is asked doesn't push out what others have,
// who hold less; and where it is alone it has all the room.
func TestToolsShare(t *testing.T) {
	for _, tc := range []struct {
		name  string
		cfg   Config
		whole int // answers of one tool, alone
	}{
		{"entries", Config{MaxEntries: 100}, 100},
		{"bytes", Config{MaxBytes: 200_000, MaxObject: 50_000}, 17},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCache(t, tc.cfg)
			fill := func(tool string, from, n int) {
				for i := range n {
					ask(t, c, toolKey(tool, fmt.Sprint("/", from+i)), sized(10_000).fetch)
				}
			}
			fill("small", 0, 5)
			fill("hog", 0, 2000)
			if n := left(t, c, "small", 5); n != 5 {
				t.Errorf("%d answers of 5 are left of the tool that holds little", n)
			}
			hog := left(t, c, "hog", 2000)
			if all := c.Stats().Entries; hog != all-5 || hog < tc.whole-7 {
				t.Errorf("the other one has %d of %d, and %d would fit in", hog, all, tc.whole)
			}
			// As more is asked of the small one it grows, to half.
			fill("small", 5, 2000)
			small, hog := left(t, c, "small", 2005), left(t, c, "hog", 2000)
			if small < tc.whole/2-2 || hog < tc.whole/2-2 {
				t.Errorf("two tools of which as much is asked have %d and %d", small, hog)
			}
			c.Purge("hog", "")
			fill("small", 3000, 2000)
			if n := c.Stats().Entries; n < tc.whole-2 {
				t.Errorf("a tool alone has %d, and %d would fit in", n, tc.whole)
			}
		})
	}
}

// TestSlowReadersOfOneTool: what they hold takes nothing from the tools that hold less.
func TestSlowReadersOfOneTool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, Config{MaxBytes: 200_000, MaxObject: 50_000})
		for i := range 5 {
			ask(t, c, toolKey("small", fmt.Sprint("/", i)), sized(10_000).fetch)
		}
		var answers []Answer
		for i := range 40 {
			a, err := c.Get(t.Context(), toolKey("hog", fmt.Sprint("/", i)), sized(10_000).fetch, nil)
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, a)
		}
		if n := left(t, c, "small", 5); n != 5 {
			t.Errorf("%d answers of 5 are left", n)
		}
		for i := range answers {
			if g := reply(&answers[i], "GET", nil, nil); len(g.body) != 10_000 || g.err != nil {
				t.Errorf("reader %d got %d bytes, %v", i, len(g.body), g.err)
			}
			answers[i].Close()
		}
		synctest.Wait()
		c.Purge("", "")
		if s := c.Stats(); s.Bytes != 0 || c.store.of("hog").used != 0 || c.store.of("small").used != 0 {
			t.Errorf("%+v", s)
		}
	})
}
