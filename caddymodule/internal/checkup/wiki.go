package checkup

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	wikiTimeout = 20 * time.Second // of one request
	maxAnswer   = 8 << 20          // bytes
)

// Wiki is a MediaWiki as readers reach it: through the edge, without an account.
type Wiki struct {
	api    *url.URL
	host   string
	client http.Client
}

// NewWiki returns the wiki whose api.php is at an address. A host is sent in place of the address's, where another server
// than the one of that name is to be asked; "" sends the address's own.
func NewWiki(api, host string) (*Wiki, error) {
	u, err := url.Parse(api)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil || !strings.HasSuffix(u.Path, "/api.php") {
		return nil, errors.New("the wiki's address is none such as https://wiki.example/w/api.php")
	}
	return &Wiki{api: u, host: host, client: http.Client{
		Timeout:       wikiTimeout,
		Transport:     transport(&tls.Config{ServerName: (&url.URL{Host: cmp.Or(host, u.Host)}).Hostname()}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// transport is a stranger's way to the wiki: by no proxy.
func transport(config *tls.Config) *http.Transport {
	return &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
}

// Close lets go of connections.
func (w *Wiki) Close() { w.client.CloseIdleConnections() }

// apiError is MediaWiki's refusal of a request to its API.
type apiError struct {
	Code string `json:"code"`
}

// Error implements error. The code is the wiki's word.
func (e *apiError) Error() string { return fmt.Sprintf("the wiki's API refuses with %.80q", e.Code) }

// refusedWith reports whether an error is the API's with a code.
func refusedWith(err error, code string) bool {
	refused, ok := errors.AsType[*apiError](err)
	return ok && refused.Code == code
}

// query sends a read-only query to the API, and reads its member "query" into the place of answer. Parameters come in pairs.
func (w *Wiki) query(ctx context.Context, header http.Header, answer any, params ...string) error {
	values := url.Values{"action": {"query"}, "format": {"json"}, "formatversion": {"2"}}
	for i := 0; i+1 < len(params); i += 2 {
		values.Set(params[i], params[i+1])
	}
	resp, err := w.get(ctx, "api.php", values, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var body struct {
		Error *apiError       `json:"error"`
		Query json.RawMessage `json:"query"`
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		err = json.Unmarshal(data, &body)
	}
	switch {
	case err != nil && resp.StatusCode/100 == 3:
		return fmt.Errorf("%s redirects elsewhere: give the address that it leads to", w.api.Redacted())
	case err != nil:
		return fmt.Errorf("%s is no MediaWiki's API: it answers with %d and no JSON", w.api.Redacted(), resp.StatusCode)
	case body.Error != nil:
		return body.Error
	case body.Query == nil:
		return fmt.Errorf("%s is no MediaWiki's API: its answer has no query", w.api.Redacted())
	}
	return json.Unmarshal(body.Query, answer)
}

// get asks the wiki's server for one of MediaWiki's entry points.
func (w *Wiki) get(ctx context.Context, script string, values url.Values, header http.Header) (*http.Response, error) {
	u := *w.api
	u.Path, u.RawPath, u.RawQuery = strings.TrimSuffix(u.Path, "api.php")+script, "", values.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		r.Header = header
	}
	if w.host != "" {
		r.Host = w.host
	}
	return w.client.Do(r)
}
