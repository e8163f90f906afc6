package cache

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// stuckBody is a tool's body whose Close waits, as net/http's does for HTTP/2 while the tool
// takes nothing from its connection.
type stuckBody struct {
	io.Reader
	release chan struct{}
}

func (b stuckBody) Close() error {
	<-b.release
	return nil
}

// One tool's connection that can't be let go of holds up nobody who asks another.
func TestBodyThatIsSlowToClose(t *testing.T) {
	for name, leave := range map[string]func(c *Cache, fetch Fetch, begun chan struct{}){
		"closed by its reader": func(c *Cache, fetch Fetch, begun chan struct{}) {
			close(begun)
			if a, err := c.Get(context.Background(), key("/stuck"), fetch, nil); err == nil {
				a.Close()
			}
		},
		"for nobody": func(c *Cache, fetch Fetch, begun chan struct{}) {
			ctx, cancel := context.WithCancel(context.Background())
			left := make(chan struct{})
			go func() {
				defer close(left)
				_, _ = c.Get(ctx, key("/stuck"), func(ctx context.Context, v *Validators) (*Response, error) {
					cancel()
					<-left
					close(begun)
					return fetch(ctx, v)
				}, nil)
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, Config{})
			release := make(chan struct{})
			defer close(release)
			fetch := func(context.Context, *Validators) (*Response, error) {
				r := says("Cache-Control: no-store", "x")
				r.Body = stuckBody{strings.NewReader("x"), release}
				return r, nil
			}
			begun := make(chan struct{})
			go leave(c, fetch, begun)
			<-begun
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 200 { // while the other comes to its end
					a, err := c.Get(context.Background(), toolKey("other", "/x"), func(context.Context, *Validators) (*Response, error) {
						return says("Cache-Control: no-store", "x"), nil
					}, nil)
					if err == nil {
						a.Close()
					}
					time.Sleep(time.Millisecond)
				}
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Error("another tool's reader waits")
			}
		})
	}
}
