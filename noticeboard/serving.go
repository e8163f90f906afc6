package noticeboard

import (
	"encoding"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Stream is a connection that stays open.
type Stream string

// The streams.
const (
	Events    Stream = "events"    // what EventSource reads
	WebSocket Stream = "websocket" // RFC 6455
)

// Bounds of how a tool is served.
const (
	maxRequestSize  = 64 << 20 // bytes
	maxRefresh      = 10_000   // paths
	minRefreshEvery = time.Minute
	maxRefreshEvery = 24 * time.Hour
	maxMirror       = 1000 // files
	maxRate         = 1_000_000
)

// MirrorFile is a file of a mirror, which the edge keeps.
type MirrorFile struct {
	// Path is the file's path and query on the tool's origin, such as
	// `/npm/jquery@3.7.1/dist/jquery.min.js`, or its https address on one of the
	// tool's hosts.
	Path string `json:"path"`

	// Integrity is the file's hash as in the integrity attribute: `sha384-` and 64
	// characters of base64, or `sha256-`, `sha512-`. A file that differs is not served.
	Integrity string `json:"integrity"`
}

// Rate bounds how often something may happen, such as 600/1m. The zero Rate is
// not stated.
type Rate struct {
	Count int
	Per   time.Duration
}

// ParseRate reads a rate such as 600/1m: a number, a slash, and a duration by
// [time.ParseDuration].
func ParseRate(s string) (Rate, error) {
	count, per, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(count)
	span, spanErr := time.ParseDuration(per)
	if err != nil || spanErr != nil || n < 1 || n > maxRate || span < time.Second || span > 24*time.Hour {
		return Rate{}, fmt.Errorf("%q is not a rate such as 600/1m: up to %d, in a second to a day", s, maxRate)
	}
	return Rate{n, span}, nil
}

// String is the form that [ParseRate] reads.
func (r Rate) String() string {
	return strconv.Itoa(r.Count) + "/" + r.Per.String()
}

// MarshalText writes the rate as String does.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a rate as ParseRate does.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// IsMirror reports whether the edge keeps the tool's files and serves nothing else of it.
func (t *Tool) IsMirror() bool { return len(t.Mirror) > 0 }

// checkServing checks how the proxy serves the tool.
func (t *Tool) checkServing() *Error {
	for _, check := range []func() *Error{t.checkMethods, t.checkStreams, t.checkNaming, t.checkRefresh, t.checkMirror} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tool) checkMethods() *Error {
	for i, method := range t.Methods {
		t.Methods[i] = strings.ToUpper(method)
		switch t.Methods[i] {
		case http.MethodGet, http.MethodHead, http.MethodPost:
		default:
			return wrong("methods", "method %q isn't supported: use GET, HEAD or POST", method)
		}
	}
	slices.Sort(t.Methods)
	t.Methods = slices.Compact(t.Methods)
	switch {
	case t.MaxRequestSize < 0 || t.MaxRequestSize > maxRequestSize:
		return wrong("max_request_size", "max_request_size must be from 1 to %d bytes, or 0 for the proxy's default", maxRequestSize)
	case t.MaxRequestSize > 0 && !slices.Contains(t.Methods, http.MethodPost) && !t.Opens(WebSocket):
		return wrong("max_request_size", "max_request_size is for POST and websocket: add one of them, or leave it out")
	}
	return nil
}

// Opens reports whether the tool declares the stream.
func (t *Tool) Opens(s Stream) bool { return slices.Contains(t.Streams, s) }

func (t *Tool) checkStreams() *Error {
	for _, s := range t.Streams {
		if s != Events && s != WebSocket {
			return wrong("streams", "stream %q is unknown: use events, websocket or both", s)
		}
	}
	slices.Sort(t.Streams)
	t.Streams = slices.Compact(t.Streams)
	if len(t.Streams) > 0 && !t.Has(Data) {
		return wrong("streams", `streams carry data: add "data" to kinds`)
	}
	return nil
}

func (t *Tool) checkNaming() *Error {
	switch {
	case t.Pseudonym && t.Personal == NothingPersonal:
		return wrong("pseudonym", `pseudonym tells the tool which requests are one reader's: make personal "some", or leave pseudonym out`)
	case t.Names != "" && t.Names != NamesReader:
		return wrong("names", "names %q is unknown: make it %q, or leave it out", t.Names, NamesReader)
	case t.Names != "" && t.Access == ByProxy:
		return wrong("names", "names needs the readers' consent: make access %q, or leave names out", ByBoth)
	case t.Names != "" && t.Personal == NothingPersonal:
		return wrong("names", `names tells the tool who asks: make personal "some", or leave names out`)
	}
	return nil
}

// isRequestPath reports whether s is a path with or without a query, as it is sent.
func isRequestPath(s string) bool {
	u, err := url.ParseRequestURI(s)
	return err == nil && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && u.Host == "" && len(s) <= 8<<10 && u.RequestURI() == s
}

func (t *Tool) checkMirror() *Error {
	if !t.IsMirror() {
		return nil
	}
	if len(t.Mirror) > maxMirror {
		return wrong("mirror", "mirror has more than %d files: declare tools of their own", maxMirror)
	}
	seen := make(map[string]bool)
	for _, file := range t.Mirror {
		address, err := t.mirrorURL(file)
		switch {
		case err != nil:
			return wrong("mirror", "mirror %q %v", file.Path, err)
		case !isMirrorPath(address):
			return wrong("mirror", "mirror %q can't be asked for in one way only: write it without empty or dot segments and their escapes", file.Path)
		case !isIntegrity(file.Integrity):
			return wrong("mirror", "mirror %q: %q isn't a hash such as sha384-… in base64", file.Path, file.Integrity)
		case seen[address.String()]:
			return wrong("mirror", "mirror %q is given twice", file.Path)
		}
		seen[address.String()] = true
	}
	switch {
	case t.Access != ByProxy:
		return wrong("access", "a mirror is served by the edge alone: leave access out, or make it proxy")
	case len(t.Streams) > 0 || slices.Contains(t.Methods, http.MethodPost) || t.Pseudonym || t.Names != "" || t.Refreshes():
		return wrong("mirror", "a mirror gets no requests of readers: leave out streams, POST, pseudonym, names and refresh")
	}
	return nil
}

// mirrorURL returns where a file of the mirror is fetched from.
func (t *Tool) mirrorURL(file MirrorFile) (*url.URL, error) {
	path, origin := file.Path, t.Origin
	if !strings.HasPrefix(path, "/") {
		u, err := url.Parse(path)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
			return nil, fmt.Errorf("is neither a path nor an address")
		}
		origin = u.Scheme + "://" + u.Host
		if !slices.Contains(t.Origins(), origin) {
			return nil, fmt.Errorf("is on a host that isn't declared: add it to hosts")
		}
		path = u.RequestURI()
	}
	if !isRequestPath(path) {
		return nil, fmt.Errorf("isn't a path such as /lib/jquery.min.js")
	}
	return url.Parse(origin + path)
}

// Interface guards
var (
	_ encoding.TextMarshaler   = Rate{}
	_ encoding.TextUnmarshaler = (*Rate)(nil)
	_ fmt.Stringer             = Rate{}
)
