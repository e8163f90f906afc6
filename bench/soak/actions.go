package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// action is something that readers do, and how often beside the others. Its error is a fault of the edge, or errCut.
type action struct {
	name   string
	weight int
	do     func(ctx context.Context, s *soak, c *client) error
}

var actions = []action{
	{"page", 40, func(ctx context.Context, s *soak, c *client) error {
		return s.exchange(ctx, c, http.MethodGet, fmt.Sprintf("/wiki/Page_%d", rand.N(500)), "", "", 200)
	}},
	{"edit", 10, func(ctx context.Context, s *soak, c *client) error {
		return s.exchange(ctx, c, http.MethodPost, "/edit", "text/plain", strings.Repeat("text ", 1000), 200)
	}},
	{"tool", 15, func(ctx context.Context, s *soak, c *client) error {
		return s.exchange(ctx, c, http.MethodGet, fmt.Sprintf("/.tools/steady/%d.png", rand.N(200)), "", "", 200)
	}},
	{"switched tool", 5, func(ctx context.Context, s *soak, c *client) error {
		// 403: disabled, see upset. 503: its declaration, which reloads change, is not recorded yet.
		return s.exchange(ctx, c, http.MethodGet, fmt.Sprintf("/.tools/switched/%d.png", rand.N(20)), "", "", 200, 403, pending)
	}},
	{"undeclared tool", 2, func(ctx context.Context, s *soak, c *client) error {
		return s.exchange(ctx, c, http.MethodGet, "/.tools/nobody/1.png", "", "", 404)
	}},
	{"noticeboard", 3, func(ctx context.Context, s *soak, c *client) error {
		return s.exchange(ctx, c, http.MethodGet, "/.tools/", "", "", 200)
	}},
	{"report", 6, func(ctx context.Context, s *soak, c *client) error {
		return s.exchange(ctx, c, http.MethodPost, "/.privacy/csp-reports", "application/csp-report", report, 204)
	}},
	{"bad request", 4, badRequest},
	{"aborted answer", 4, abortAnswer},
	{"aborted request", 4, abortRequest},
	{"slow reader", 2, readSlowly},
	{"slow writer", 2, writeSlowly},
	{"event stream", 2, followEvents},
	{"socket", 2, talk},
}

// errCut is the error of what didn't come to its end, as where a reload cut it off.
var errCut = errors.New("cut off")

// pending stands for the one 503 that was planned.
const pending = -503

const report = `{"csp-report":{"document-uri":"http://soak.test/wiki/Page","effective-directive":"img-src","blocked-uri":"https://elsewhere.example/a.png","disposition":"enforce"}}`

// request makes one, for what sends it.
func (s *soak) request(ctx context.Context, c *client, method, path, kind, body string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.edge.Address+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Host, r.Header = "soak.test", c.header()
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	return r, nil
}

// send sends a request, again where a reload cut its connection off: what waits in the queue of the socket that a config
// listens at is lost with it.
func (s *soak) send(ctx context.Context, c *client, method, path, kind, body string) (resp *http.Response, err error) {
	for range 6 {
		r, err := s.request(ctx, c, method, path, kind, body)
		if err != nil {
			return nil, err
		}
		if resp, err = c.http.Do(r); err == nil || ctx.Err() != nil {
			return resp, err
		}
		s.retries.Add(1)
		if !sleep(ctx, 20*time.Millisecond) {
			return nil, err
		}
	}
	return resp, fmt.Errorf("%s %s: no answer, however often", method, path)
}

func (s *soak) exchange(ctx context.Context, c *client, method, path, kind, body string, want ...int) error {
	resp, err := s.send(ctx, c, method, path, kind, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return errCut
	}
	if slices.Contains(want, pending) && resp.StatusCode == 503 && strings.Contains(string(text), "not recorded yet") {
		return nil
	}
	if !slices.Contains(want, resp.StatusCode) {
		return fmt.Errorf("%s %s: %s, want %d: %.300s", method, path, resp.Status, want, text)
	}
	return nil
}
