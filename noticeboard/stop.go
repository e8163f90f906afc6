package noticeboard

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Limits of the kill switch.
const (
	MaxStops  = 10_000
	maxBy     = 255  // bytes
	maxWhy    = 500  // bytes
	maxPrefix = 2000 // bytes
)

// A Stop stops a tool, or what lies under one of its paths.
type Stop struct {
	// Tool is the tool's name.
	Tool string `json:"tool"`
	// Prefix is the start of the paths that are stopped, decoded; empty is the
	// whole tool. See [ParsePrefix].
	Prefix string `json:"prefix,omitempty"`
	// By is the id of the user who stops it. It isn't shown in public.
	By string `json:"by"`
	// Why is shown in public.
	Why string `json:"why,omitempty"`
	// At is set by [State.Disable].
	At time.Time `json:"at"`
}

// Errors of the kill switch, for callers to test for.
var (
	ErrStopName   = errors.New("not a tool's name")
	ErrPrefix     = errors.New("not a path that starts with a slash, without dot segments, query and fragment")
	ErrBy         = errors.New("who acts is not 1 to 255 bytes of printable text")
	ErrWhy        = errors.New("reason is not up to 500 bytes of printable text")
	ErrFull       = fmt.Errorf("%d tools and paths are disabled: enable some first", MaxStops)
	ErrNotStopped = errors.New("it is not disabled by command")
)

func (k Stop) validate() error {
	switch {
	case !nameForm.MatchString(k.Tool):
		return ErrStopName
	case k.By == "" || !printable(k.By, maxBy):
		return ErrBy
	case !printable(k.Why, maxWhy):
		return ErrWhy
	case k.Prefix != "" && !isPrefix(k.Prefix):
		return ErrPrefix
	}
	return nil
}

func (k Stop) same(other Stop) bool { return k.Tool == other.Tool && k.Prefix == other.Prefix }

// ParsePrefix reads what of a tool is to be stopped: "" or "/" is all of it; else
// a path at the tool, or its whole address. It returns the decoded path.
//
// The error is [ErrPrefix], or that the address is another's.
func ParsePrefix(tool *Tool, text string) (string, error) {
	if !strings.HasPrefix(text, "/") && text != "" {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.User != nil {
			return "", ErrPrefix
		}
		if origin, err := normalOrigin(u.Scheme+"://"+u.Host, tool.AllowLoopback); err != nil || origin != tool.Origin {
			return "", fmt.Errorf("the address is not one at the tool's origin, %s", tool.Origin)
		}
		text = text[strings.Index(text, "://")+3:]
		at := strings.IndexAny(text, "/?#")
		if at < 0 {
			return "", nil
		}
		text = text[at:]
	}
	if strings.ContainsAny(text, "?#") || strings.Contains(text, "//") {
		return "", ErrPrefix
	}
	path, err := url.PathUnescape(text)
	if err != nil {
		return "", ErrPrefix
	}
	if path == "/" || path == "" {
		return "", nil
	}
	if !isPrefix(path) {
		return "", ErrPrefix
	}
	return path, nil
}

// isPrefix takes paths that can be compared: the proxy asks for no others.
func isPrefix(path string) bool {
	return path[0] == '/' && printable(path, maxPrefix) && !strings.ContainsAny(path, `\`) && !HasDotSegment(path)
}

// stops reports whether the stop covers a decoded path. Servers differ in how often they
// decode, and in whether case, blanks, empty segments and parameters of segments ("/a;x/b") mean
// anything to them: so this covers every spelling that some server may take for the path.
func (k Stop) stops(path string) bool {
	if k.Prefix == "" {
		return true
	}
	exact, bare := reading(k.Prefix, false), reading(k.Prefix, true)
	covers := func(decoded string) bool {
		return under(reading(decoded, false), exact) || strings.Contains(decoded, ";") && under(reading(decoded, true), bare)
	}
	for _, decoded := range decodings(path) {
		if covers(decoded) {
			return true
		}
		if end := strings.IndexAny(decoded, "?#"); end >= 0 && covers(decoded[:end]) { // to who decodes before it splits
			return true
		}
	}
	return false
}
