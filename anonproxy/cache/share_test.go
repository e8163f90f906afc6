package cache

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
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
			a, err := c.Get(t.Context(), toolKey("hog", fmt.Sprint("/", i)), sized(10_000).fetch)
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
		if s := c.Stats(); s.Bytes != 0 || c.pool.of("hog").used.Load() != 0 || c.pool.of("small").used.Load() != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestToolsShareTheDisk: the same for files.
func TestToolsShareTheDisk(t *testing.T) {
	for name, cfg := range map[string]Config{"files": {DiskFiles: 20}, "bytes": {DiskBytes: 20 * 10_500}} {
		t.Run(name, func(t *testing.T) {
			cfg.Dir, cfg.MaxEntries = t.TempDir(), 1
			c := newCache(t, cfg)
			written := 0
			fill := func(tool string, n int) {
				for i := range n {
					ask(t, c, toolKey(tool, fmt.Sprint("/", i)), sized(10_000).fetch)
					written = min(written+1, 19)
					for deadline := time.Now().Add(10 * time.Second); c.Stats().DiskFiles < written || len(c.disk.Load().queue) > 0; time.Sleep(time.Millisecond) {
						if time.Now().After(deadline) {
							t.Fatalf("%+v", c.Stats())
						}
					}
				}
			}
			fill("small", 3)
			fill("hog", 60)
			for i := range 3 {
				if _, _, ok := c.disk.Load().find(toolKey("small", fmt.Sprint("/", i))); !ok {
					t.Errorf("file %d of the tool that has few is gone", i)
				}
			}
			if s := c.Stats(); s.DiskFiles < 18 || s.DiskFiles > 20 || s.DiskBytes > 20*10_900 {
				t.Errorf("%+v", s)
			}
			c.Purge("hog", "")
			if s := c.Stats(); s.DiskFiles != 3 {
				t.Errorf("after the purge %+v", s)
			}
			c.Purge("", "")
			if s := c.Stats(); s.DiskFiles != 0 || s.DiskBytes != 0 {
				t.Errorf("after the purge of all %+v", s)
			}
		})
	}
}
