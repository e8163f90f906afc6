package peers

import (
	"crypto/hmac"
	"crypto/sha1" // what go-camo signs URLs with
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// What the stand-in passes on.
var (
	requestFields  = []string{"Accept", "Accept-Charset", "Accept-Language", "Cache-Control", "If-None-Match", "If-Modified-Since", "Range", "X-Forwarded-Proto"}
	responseFields = []string{
		"Accept-Ranges", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Date", "Etag",
		"Expires", "Last-Modified", "Transfer-Encoding", "Vary",
	}
	ownFields = map[string]string{
		"X-Content-Type-Options": "nosniff", "X-XSS-Protection": "1; mode=block", "Server": "stand-in",
		"Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'",
	}
)

const standInSize = 5 << 20

// standIn is an image proxy in the plain way: signed URLs, net/http's client, 8
// idle connections, headers filtered by lists.
type standIn struct{ client *http.Client }

// NewStandIn is an image proxy that does what go-camo does with headers and addresses.
func NewStandIn() http.Handler {
	dialer := net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second, Control: onlyLoopback}
	return &standIn{&http.Client{
		Timeout: 4 * time.Second,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConns: 100, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second,
			TLSHandshakeTimeout: 3 * time.Second, DisableCompression: true,
		},
	}}
}

// onlyLoopback checks each connection's address, as such proxies do the other way round.
func onlyLoopback(_, address string, _ syscall.RawConn) error {
	endpoint, err := netip.ParseAddrPort(address)
	if err != nil || !endpoint.Addr().IsLoopback() {
		return net.InvalidAddrError("not loopback")
	}
	return nil
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := verified(r.URL.Path)
	if target == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, target.String(), nil)
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	copyFields(out.Header, r.Header, requestFields)
	out.Header.Set("User-Agent", "stand-in")
	out.Header.Set("Via", "stand-in")
	res, err := s.client.Do(out)
	if err != nil {
		http.Error(w, "bad gateway", http.StatusBadGateway)
		return
	}
	defer res.Body.Close()
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "image/") || res.ContentLength > standInSize {
		http.Error(w, "unsupported", http.StatusBadRequest)
		return
	}
	copyFields(w.Header(), res.Header, responseFields)
	for name, value := range ownFields {
		w.Header().Set(name, value)
	}
	w.WriteHeader(res.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(res.Body, standInSize))
}

func copyFields(to, from http.Header, names []string) {
	for _, name := range names {
		if values, ok := from[name]; ok {
			to[name] = values
		}
	}
}

// Key signs the URLs of the stand-in, and of the go-camo that is started in its place.
const Key = "not a secret: for measuring only"

// Signed is the path under which such a proxy has a URL.
func Signed(url string) string {
	mac := hmac.New(sha1.New, []byte(Key))
	mac.Write([]byte(url))
	return "/" + hex.EncodeToString(mac.Sum(nil)) + "/" + hex.EncodeToString([]byte(url))
}

// verified returns the URL that a path asks for, if it is signed.
func verified(path string) *url.URL {
	signature, address, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	sum, err := hex.DecodeString(signature)
	text, textErr := hex.DecodeString(address)
	if err != nil || textErr != nil {
		return nil
	}
	mac := hmac.New(sha1.New, []byte(Key))
	mac.Write(text)
	if !hmac.Equal(mac.Sum(nil), sum) {
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil
	}
	return u
}
