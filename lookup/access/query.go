package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"
)

const maxResponse = 256 << 10 // bytes

// query asks the wiki who has the session. It takes one of the places for sessions that were admitted lately if the
// session is known as such, else one of the client's. Its errors hold neither cookies nor what the wiki said.
func (m *MediaWiki) query(client, cookies string, known bool) (cached, error) {
	ctx, cancel := context.WithTimeout(m.ctx, m.config.Timeout)
	defer cancel()
	leave, err := m.places.take(ctx, client, known)
	if err != nil {
		return cached{}, fmt.Errorf("asking the wiki: %w", err)
	}
	defer leave()
	data, err := m.fetch(ctx, cookies)
	if err != nil {
		return cached{}, fmt.Errorf("asking the wiki: %w", err)
	}
	a, ok, err := parseResponse(data)
	if err != nil {
		return cached{}, fmt.Errorf("asking the wiki: %w", err)
	}
	c := cached{until: time.Now().Add(m.config.CacheFor)}
	switch {
	case !ok:
		c.refused = Anonymous
	case a.blocked:
		c.refused = Blocked
	default:
		c.user = m.config.user(a)
	}
	return c, nil
}

func (m *MediaWiki) fetch(ctx context.Context, cookies string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url, nil)
	if err != nil {
		return nil, err
	}
	req.Host = m.config.Host
	req.Header = http.Header{"Cookie": {cookies}, "Accept": {"application/json"}, "User-Agent": {"wikiveil"}}
	res, err := m.client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered with status %d", res.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, errors.New("its response is not in JSON: is that the URL of its api.php?")
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxResponse {
		return nil, fmt.Errorf("its response is longer than %d bytes", maxResponse)
	}
	return data, nil
}
