package networkfeed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/wikiveil/wikiveil/internal/publicnet"
)

// Bounds of a fetch; all of it must end within what followed.Every gives.
const (
	dialTimeout    = 10 * time.Second
	maxHeaderBytes = 64 << 10
	maxRedirects   = 5
)

// newClient makes what fetches a list: straight, from public addresses or from loopback alone, whatever names and redirects say.
func newClient(loopback bool) *http.Client {
	dialer := net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		return publicnet.Check(address, loopback)
	}}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
			DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("it is redirected too often")
			}
			return CheckURL(r.URL, loopback)
		},
	}
}

// CheckURL reports why a list can't be fetched from an address.
func CheckURL(u *url.URL, loopback bool) error {
	switch {
	case u.Host == "" || u.User != nil:
		return errors.New("a list's address has a host, and neither name nor password")
	case u.Scheme == "https", u.Scheme == "http" && loopback:
		return nil
	}
	return fmt.Errorf("a list is fetched by https, not %s: somebody on the way could write what they like into it", u.Scheme)
}

// name is what a log calls it: a query may hold a key.
func (src *source) name() string {
	u, err := url.Parse(src.From)
	if src.client == nil || err != nil {
		return src.From
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// fetch asks for the list, and takes it if it is another.
func (src *source) fetch(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, src.From, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "Wikiveil")
	good := src.good.Load()
	if good != nil && good.ETag != "" {
		r.Header.Set("If-None-Match", good.ETag)
	}
	if good != nil && good.Modified != "" {
		r.Header.Set("If-Modified-Since", good.Modified)
	}
	res, err := src.client.Do(r)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // without the address, which may hold a key
		}
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	defer res.Body.Close()
	now := time.Now()
	switch {
	case res.StatusCode == http.StatusNotModified && good != nil:
		src.confirmed.Store(&now)
		return nil
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: the answer is %s", errUnreachable, res.Status)
	case res.ContentLength < 0 && !res.Uncompressed && res.ProtoMajor < 2 && len(res.TransferEncoding) == 0:
		return fmt.Errorf("%w: the server says neither how long it is nor where it ends", errCut)
	}
	list, err := read(src.list(), res.Body)
	if err != nil {
		return err
	}
	list.From, list.Time, list.ETag, list.Modified = src.name(), now, res.Header.Get("ETag"), res.Header.Get("Last-Modified")
	if err := src.set.take(src, list); err != nil {
		return err
	}
	src.confirmed.Store(&now)
	return nil
}
