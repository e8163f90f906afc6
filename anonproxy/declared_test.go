package anonproxy

import (
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// What isn't declared for the proxy, or isn't any more, gets no request.
func TestOutOfUse(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	declare := func(name string, change func(*noticeboard.Tool)) *noticeboard.Tool {
		declared := tool(name, b.URL, noticeboard.Data)
		change(declared)
		return declared
	}
	expires := func(at time.Time) noticeboard.Date {
		d, err := noticeboard.ParseDate(at.UTC().Format(time.RFC3339))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	e := newEdge(t, Config{},
		declare("direct", func(t *noticeboard.Tool) { t.Access = noticeboard.ByConsent }),
		declare("disabled", func(t *noticeboard.Tool) { t.Disabled = true }),
		declare("expired", func(t *noticeboard.Tool) { t.Expires = expires(time.Now().Add(-time.Minute)) }),
		declare("good", func(t *noticeboard.Tool) {
			t.Access, t.Expires = noticeboard.ByBoth, expires(time.Now().Add(time.Hour))
		}),
	)
	wantRefusal(t, e.do(t, "GET", "/.tools/direct/x", "empty"), 404, "no tool of that name is declared")
	wantRefusal(t, e.do(t, "GET", "/.tools/disabled/x", "empty"), 403, "the tool is disabled")
	wantRefusal(t, e.do(t, "GET", "/.tools/expired/x", "empty"), 403, "the tool's declaration expired")
	if n := b.conns.Load(); n != 0 {
		t.Errorf("the backend got %d connections", n)
	}
	if a := e.do(t, "GET", "/.tools/good/x", "empty"); a.status != 200 {
		t.Errorf("a good tool: %d %s", a.status, a.body)
	}
}
