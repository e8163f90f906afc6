package anonproxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/refresh"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func (e *edge) setBoard(t testing.TB, tools ...*noticeboard.Tool) {
	t.Helper()
	board, err := noticeboard.New(tools)
	if err == nil {
		err = e.proxy.SetBoard(board)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A changed declaration replaces what serves its own tool. Nobody else's connections, answers, limits and streams notice.
func TestSetBoard(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			speak(w, r, "data: 1\n\n")
			return
		}
		cacheable("text/plain", "x")(w, r)
	}
	stays, changes, moves, goes, elsewhere := newBackend(t, serve), newBackend(t, serve), newBackend(t, serve), newBackend(t, serve), newBackend(t, serve)
	declared := func(name string, b *backend, title string) *noticeboard.Tool {
		made := streaming(name, b.URL, noticeboard.Events)
		made.Title = title
		return made
	}
	e := newEdge(t, Config{Reader: masksOf, ClientLimit: rate(t, "6/1h"), Cache: newCache(t, cache.Config{})},
		declared("stays", stays, ""), declared("changes", changes, ""), declared("moves", moves, ""), declared("goes", goes, ""))
	ask := func(tool, path string, want int) {
		t.Helper()
		if a := e.do(t, "GET", "/.tools/"+tool+path, "empty", asking("alice")); a.status != want {
			t.Errorf("%s%s: got %d %s, want %d", tool, path, a.status, a.body, want)
		}
	}
	// The stream has a connection of its own, which stays busy.
	bodies := make(map[string]io.Reader)
	for _, name := range []string{"stays", "changes", "moves", "goes"} {
		bodies[name] = e.firstEvent(t, "/.tools/"+name+"/events")
		ask(name, "/1", 200)
		ask(name, "/2", 200)
	}
	before := stays.hits.Load()
	for i := range 3 { // the last is as the first but for the pointers
		e.setBoard(t, declared("stays", stays, ""), declared("changes", changes, fmt.Sprint("title ", i)), declared("moves", elsewhere, ""), declared("new", goes, ""))
	}
	for _, name := range []string{"changes", "moves", "goes"} {
		if rest, err := io.ReadAll(bodies[name]); string(rest) != "\n" || err != nil {
			t.Errorf("%s: the stream went on with %q, %v", name, rest, err)
		}
	}
	ask("stays", "/1", 200)
	if n := stays.hits.Load(); n != before {
		t.Errorf("the cache forgot: the tool was asked %d times more", n-before)
	}
	for i := 3; i <= 6; i++ {
		ask("stays", fmt.Sprint("/", i), 200)
		ask("changes", fmt.Sprint("/", i), 200)
		ask("moves", fmt.Sprint("/", i), 200)
	}
	ask("stays", "/7", 429)
	ask("changes", "/7", 429)
	ask("moves", "/7", 200)
	ask("goes", "/7", 404)
	ask("new", "/7", 200)
	for name, b := range map[string]*backend{"stays": stays, "changes": changes, "moves": moves} {
		if n := b.conns.Load(); n != 2 {
			t.Errorf("%s was dialled %d times, want once for the stream and once for all else", name, n)
		}
	}
	if n := elsewhere.conns.Load(); n != 1 {
		t.Errorf("where the tool has moved was dialled %d times", n)
	}
	e.proxy.EndStreams()
	if rest, err := io.ReadAll(bodies["stays"]); string(rest) != "\n" || err != nil {
		t.Errorf("the stream of the tool that stays: %q, %v", rest, err)
	}
}

// Requests under way end as they began, whatever becomes of the board meanwhile.
func TestSetBoardUnderLoad(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Millisecond)
		tooltest.Answers("text/plain", strings.Repeat("x", 100<<10))(w, r)
	})
	e := newEdge(t, Config{}, tool("maps", b.URL), tool("other", b.URL))
	var stop atomic.Bool
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for !stop.Load() {
				for _, name := range []string{"maps", "other"} {
					if a := e.do(t, "GET", "/.tools/"+name+"/x", "empty"); a.status != 200 || len(a.body) != 100<<10 || a.err != nil {
						t.Errorf("%s: got %d, %d bytes, %v", name, a.status, len(a.body), a.err)
						return
					}
				}
			}
		})
	}
	for i := range 50 {
		changed := tool("maps", b.URL)
		changed.Hosts = []string{fmt.Sprintf("127.0.0.1:%d", 10000+i)}
		e.setBoard(t, changed, tool("other", b.URL))
		time.Sleep(2 * time.Millisecond)
	}
	stop.Store(true)
	work.Wait()
}

// What is refreshed follows the board.
func TestRefreshFollowsTheBoard(t *testing.T) {
	var asked sync.Map
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path, true)
		cacheable("text/plain", "x")(w, r)
	})
	refreshed := func(paths ...string) *noticeboard.Tool {
		made := tool("maps", b.URL)
		made.Refresh = paths
		return made
	}
	e := newEdge(t, Config{Cache: newCache(t, cache.Config{})}, refreshed("/1"))
	r := refresh.New()
	defer r.Close()
	detach := r.Attach(e.proxy)
	testutil.Eventually(t, "the first path", func() bool { _, ok := asked.Load("/1"); return ok })
	e.setBoard(t, refreshed("/1", "/2"))
	testutil.Eventually(t, "the second path", func() bool { _, ok := asked.Load("/2"); return ok })
	e.setBoard(t, tool("maps", b.URL))
	if n := r.Schedules(); n != 0 {
		t.Errorf("%d schedules go on", n)
	}
	e.setBoard(t, refreshed("/3"))
	testutil.Eventually(t, "the third path", func() bool { _, ok := asked.Load("/3"); return ok })
	detach()
	e.setBoard(t, refreshed("/3", "/4"))
	if n := r.Schedules(); n != 0 {
		t.Errorf("%d schedules go on after detach", n)
	}
}
