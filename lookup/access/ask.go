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

const maxAnswer = 256 << 10 // bytes

// ask asks the wiki, in one of its client's places or, for a session that was admitted lately, in one of those for such.
// Its errors hold neither cookies nor what the wiki said.
func (m *MediaWiki) ask(client, cookies string, known bool) (cached, error) {
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
	a, ok, err := parseAnswer(data)
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
		return nil, errors.New("it did not answer in JSON: is that the URL of its api.php?")
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("its answer is longer than %d bytes", maxAnswer)
	}
	return data, nil
}
