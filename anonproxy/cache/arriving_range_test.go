package cache

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A part that begins far behind of what isn't kept, as memory is full of what slow readers hold: what
// comes before is let go, or its reader and the tool would wait for each other.
func TestRangeOfArrivingAnswerThatIsNotKept(t *testing.T) {
	const size = 512 << 10
	c := newCache(t, Config{MaxBytes: size + 8<<10, MaxObject: size + 8<<10})
	serve := func(int, *Validators) (*Response, error) {
		return says("Cache-Control: max-age=60", strings.Repeat("x", size-3)+"end"), nil
	}
	slow, err := c.Get(t.Context(), key("/held"), (&origin{answer: serve}).fetch, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	a, err := c.Get(ctx, key("/film"), (&origin{answer: serve}).fetch, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	want, _ := ParseRange([]string{"bytes=-3"})
	if got := reply(&a, http.MethodGet, make(http.Header), want); got.err != nil && got.err != io.EOF || got.status != 206 || got.body != "end" {
		t.Errorf("got %d %q, %v", got.status, got.body, got.err)
	}
}
