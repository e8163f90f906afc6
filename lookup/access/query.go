package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
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
	data, err := m.fetch(ctx, cookies, nil)
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

// fetch sends the question who has the session, or a form: addresses stand in logs, and masks that are looked up are not to.
func (m *MediaWiki) fetch(ctx context.Context, cookies string, form url.Values) ([]byte, error) {
	method, address := http.MethodGet, m.url
	header := http.Header{"Cookie": {cookies}, "Accept": {"application/json"}, "User-Agent": {"wikiveil"}}
	if form != nil {
		method, address = http.MethodPost, m.config.API
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Host, req.Header = m.config.Host, header
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
