package exempt

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/confirm"
)

// Kind is what a browser loads from a tool.
type Kind string

// The kinds and the directives that they widen.
const (
	Img    Kind = "img"    // img-src
	Font   Kind = "font"   // font-src
	Style  Kind = "style"  // style-src
	Media  Kind = "media"  // media-src
	Data   Kind = "data"   // connect-src
	Script Kind = "script" // script-src, by integrity hash
)

var directives = map[Kind]string{
	Img: "img-src", Font: "font-src", Style: "style-src", Media: "media-src", Data: "connect-src", Script: "script-src",
}

const (
	// MaxName is the longest name of a tool in bytes.
	MaxName = 63
	// Life is how long a grant counts.
	Life = 30 * 24 * time.Hour
	// LocalLife is how long one for a localhost port counts.
	LocalLife = 24 * time.Hour
)

// Tool is what a reader may let through.
type Tool struct {
	// Name is 1 to [MaxName] lower-case letters, digits and hyphens.
	Name string
	// Origins are what the browser may load from: https, or http on loopback, and exact.
	Origins []string
	// Kinds is what it may load.
	Kinds []Kind
	// Integrity are the scripts' hashes, as in an integrity attribute ("sha384-…").
	// The kind Script needs some, and they it.
	Integrity []string
	// Declaration is the hash of all that the operator declared, with its monotonic
	// revision: when it changes, the grants lapse.
	Declaration [32]byte
	// Expires is when the declaration ends; zero is never.
	Expires time.Time

	// What the page that asks tells the reader. Title is the name by default.
	Title, Purpose, Sends, Retention string
	// Names is set where the tool is also told the reader's user name.
	Names bool
	// Reviewed tells by whom and when the operator had it looked at.
	Reviewed string
	// Source and Privacy are web addresses; Contact may be one.
	Source, Privacy, Contact string

	// Local is set for a developer's own port.
	Local bool

	state   confirm.Binding
	sources map[Kind][]csp.Source
	origins []csp.Source
}

// Life is how long a grant for the tool counts.
func (t *Tool) Life() time.Duration {
	if t.Local {
		return LocalLife
	}
	return Life
}

// Tools is what is declared at one time. It never changes; a change of the
// declarations, an expiry or a kill switch makes a new one.
type Tools struct{ byName map[string]*Tool }

// NewTools checks the tools and returns copies of them. The error names the tool.
func NewTools(tools ...Tool) (*Tools, error) {
	set := &Tools{make(map[string]*Tool, len(tools))}
	for _, t := range tools {
		if !validName(t.Name) {
			return nil, fmt.Errorf("tool %q: a name is 1 to %d lower-case letters, digits and hyphens", t.Name, MaxName)
		}
		if set.byName[t.Name] != nil {
			return nil, fmt.Errorf("tool %q: it is declared twice", t.Name)
		}
		if t.Local {
			return nil, fmt.Errorf("tool %q: local ports are not declared", t.Name)
		}
		own, err := t.prepared()
		if err != nil {
			return nil, fmt.Errorf("tool %q: %w", t.Name, err)
		}
		set.byName[t.Name] = own
	}
	return set, nil
}

// lookup returns a tool that is declared now, or nil.
func (s *Tools) lookup(name string) *Tool {
	if s == nil {
		return nil
	}
	t := s.byName[name]
	if t == nil || !t.Expires.IsZero() && !time.Now().Before(t.Expires) {
		return nil
	}
	return t
}

func validName(name string) bool {
	return name != "" && len(name) <= MaxName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// prepared checks t and returns a copy with its sources and its state.
func (t Tool) prepared() (*Tool, error) {
	t.Origins, t.Kinds, t.Integrity = slices.Clone(t.Origins), slices.Clone(t.Kinds), slices.Clone(t.Integrity)
	if t.Title == "" {
		t.Title = t.Name
	}
	origins, err := parseOrigins(t.Origins)
	if err != nil {
		return nil, err
	}
	hashes, err := parseIntegrity(t.Integrity)
	if err != nil {
		return nil, err
	}
	if len(t.Kinds) == 0 {
		return nil, errors.New("it has no kinds")
	}
	t.origins = origins
	t.sources = make(map[Kind][]csp.Source, len(t.Kinds))
	for _, kind := range t.Kinds {
		if directives[kind] == "" {
			return nil, fmt.Errorf("%q is no kind", kind)
		}
		if t.sources[kind] != nil {
			return nil, fmt.Errorf("kind %s stands there twice", kind)
		}
		t.sources[kind] = origins
	}
	// By its hash alone: an origin would let whatever lies there run.
	if scripts := t.sources[Script] != nil; scripts != (len(hashes) > 0) {
		return nil, errors.New("the kind script and integrity hashes go together")
	} else if scripts {
		t.sources[Script] = hashes
	}
	t.bind()
	return &t, nil
}

// bind sets the state that grants are bound to. Besides the declaration's hash it
// has all that is let through, so that nothing widens which a reader did not see.
func (t *Tool) bind() {
	parts := []string{"wikiveil/v1/exempt/tool", t.Name, string(t.Declaration[:])}
	for _, kind := range t.Kinds {
		parts = append(parts, "kind "+string(kind))
	}
	for _, origin := range t.Origins {
		parts = append(parts, "origin "+origin)
	}
	for _, hash := range t.Integrity {
		parts = append(parts, "script "+hash)
	}
	t.state = confirm.Bind(parts...)
}

func parseOrigins(texts []string) ([]csp.Source, error) {
	if len(texts) == 0 {
		return nil, errors.New("it has no origin")
	}
	sources := make([]csp.Source, 0, len(texts))
	for _, text := range texts {
		src, err := csp.ParseSource(text)
		if err != nil {
			return nil, err
		}
		scheme, authority, _ := strings.Cut(src.String(), "://")
		host, port, _ := strings.Cut(authority, ":")
		switch {
		case !src.IsOrigin() || strings.Contains(authority, "*") || port == "*":
			return nil, fmt.Errorf("%q is not one exact origin", text)
		case scheme != "https" && !(scheme == "http" && isLoopback(host)):
			return nil, fmt.Errorf("%q is not https", text)
		}
		sources = append(sources, src)
	}
	return sources, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func parseIntegrity(texts []string) ([]csp.Source, error) {
	var sources []csp.Source
	for _, text := range texts {
		src, err := csp.ParseSource("'" + text + "'")
		if err != nil || !strings.HasPrefix(src.String(), "'sha") {
			return nil, fmt.Errorf("%q is no integrity hash, such as sha384-…", text)
		}
		sources = append(sources, src)
	}
	return sources, nil
}
