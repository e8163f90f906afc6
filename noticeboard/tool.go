package noticeboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Names is whose name a tool gets.
type Names string

// NamesReader is the user name of the reader who asks.
const NamesReader Names = "reader"

// Tool declares a third-party resource that readers may reach.
type Tool struct {
	// Name is the tool's part of its address on the wiki, `/.tools/NAME/…`:
	// 1 to 63 lower-case letters, digits and hyphens, a letter or digit first.
	Name string `json:"name"`

	// Origin is where the tool lives: `https://` and a host name, with a port
	// if it isn't 443. No path, no address literal, no private name.
	Origin string `json:"origin"`

	// Hosts are further hosts (`name` or `name:port`, by https) to which the
	// tool's redirects may lead, and from which a reader who consents loads.
	// At most 32. Default: none, so redirects stay on the origin.
	Hosts []string `json:"hosts,omitempty"`

	// Kinds are what browsers may load from the tool: `img`, `font`, `style`,
	// `media`, `data`; `script` under the conditions of Executable; and `frame`, a
	// page of the tool's in a frame, for readers who consent and never by the proxy.
	// Default: `img` and `data`.
	Kinds []Kind `json:"kinds,omitempty"`

	// Access is how readers reach the tool: by `proxy`, so that it learns
	// nothing of them; by `consent`, so that their browsers speak to it once
	// they have agreed; or `both`. Default: `proxy`.
	Access Access `json:"access,omitempty"`

	// Executable permits the kind `script`, for readers who consent and never
	// by the proxy: Access must be `consent`, and Integrity given. Such a tool
	// can do all that the reader can do on the wiki. Default: false.
	Executable bool `json:"executable,omitempty"`

	// Integrity are the hashes of the scripts that may run, as in the integrity
	// attribute: `sha384-` and 64 characters of base64, or `sha256-`, `sha512-`.
	// At most 64. Default: none.
	Integrity []string `json:"integrity,omitempty"`

	// Sandbox is what a page of the kind `frame` may do: tokens of the sandbox attribute
	// such as `allow-scripts`, but none by which it could lead the reader away from the wiki.
	// `allow-same-origin` lets it use the tool's own cookies and storage, never the wiki's.
	// Default: nothing, not even scripts.
	Sandbox []string `json:"sandbox,omitempty"`

	// Allow are the features that such a page may use, of those that Permissions Policy
	// names, such as `fullscreen`; none that asks the reader for a device, a place or
	// a payment in the wiki's name. Default: none.
	Allow []string `json:"allow,omitempty"`

	// Methods are the request methods the tool takes: `GET`, `HEAD`, `POST`.
	// Default: `GET` and `HEAD`.
	Methods []string `json:"methods,omitempty"`

	// Title is the tool's name for people. Default: the name.
	Title string `json:"title,omitempty"`

	// URL is the address of the tool's home page.
	URL string `json:"url,omitempty"`

	// Author says who makes the tool.
	Author string `json:"author,omitempty"`

	// Purpose says what the tool is for.
	Purpose string `json:"purpose,omitempty"`

	// Sends says what the tool gets of a reader, in words: what its gadgets
	// put into the addresses they ask for.
	Sends string `json:"sends,omitempty"`

	// Personal says whether that tells anything about the reader: `none` or
	// `some`. Default: not stated, which the noticeboard shows as such.
	Personal Personal `json:"personal,omitempty"`

	// Retention says how long the tool keeps what it gets.
	Retention string `json:"retention,omitempty"`

	// Source is the address of the tool's source code.
	Source string `json:"source,omitempty"`

	// Privacy is the address of the tool's privacy policy.
	Privacy string `json:"privacy,omitempty"`

	// Contact tells whom to ask about the tool: an e-mail address, a web
	// address or words.
	Contact string `json:"contact,omitempty"`

	// Reviewer is the person who has checked this declaration against the tool.
	Reviewer string `json:"reviewer,omitempty"`

	// Reviewed is the day of the review, such as 2026-07-01.
	Reviewed Date `json:"reviewed,omitzero"`

	// Expires is when the tool stops: a day (its first moment, UTC) or a time by
	// RFC 3339. Default: never.
	Expires Date `json:"expires,omitzero"`

	// Disabled keeps the tool on the noticeboard and out of reach. Default: false.
	Disabled bool `json:"disabled,omitempty"`

	// Revision counts the declaration's changes. A change of the one given here ends
	// readers' consents. A live board counts by itself, by dates such as 2026070101; a number
	// given here that is higher is taken instead. Default: counted.
	Revision uint64 `json:"revision,omitempty"`

	// MaxSize is the largest response body in bytes. Default: the proxy's.
	MaxSize int64 `json:"max_size,omitempty"`

	// Timeout is the longest a whole request may take. Default: the proxy's.
	Timeout Duration `json:"timeout,omitempty"`

	// MaxRequestSize is the largest body of a `POST`, or message of a websocket, in
	// bytes. Default: the proxy's.
	MaxRequestSize int64 `json:"max_request_size,omitempty"`

	// Streams are connections to the tool that stay open: `events` (EventSource)
	// and `websocket`. A tool can tell what is sent on one from what is sent on
	// another. Default: none.
	Streams []Stream `json:"streams,omitempty"`

	// ClientLimit bounds how often one client may make the edge ask the tool, such
	// as `600/1m`. Default: the proxy's.
	ClientLimit Rate `json:"client_limit,omitzero"`

	// Limit bounds how often the edge asks the tool for all clients together, such
	// as `6000/1m`. Default: the proxy's.
	Limit Rate `json:"limit,omitzero"`

	// Pseudonym sends the tool a name for the client that is another each day and
	// for each tool, so that it can tell its clients apart and stop one of them. Its
	// answers are then kept for nobody else. Default: false.
	Pseudonym bool `json:"pseudonym,omitempty"`

	// Names says whose name the tool gets from browsers that speak to it directly: `reader` is the
	// user name of the reader, which the question then tells them; so Access must be `both` or
	// `consent`. The proxy's leak guard stops the name all the same, as a script's request can't show
	// for certain that its reader agreed. Default: nobody's.
	Names Names `json:"names,omitempty"`

	// Refresh are paths, with queries if need be, that the edge asks for by itself,
	// so that the shared cache has them before any reader asks. They are asked for
	// as for the kind that their ending shows, or as `data`, or the first kind; one
	// with a kind and a blank before it, such as `img /seal`, for that. At most
	// 10,000. Default: none.
	Refresh []string `json:"refresh,omitempty"`

	// RefreshFile is a file of more such paths, one on each line, at most a million.
	// It is followed: a change takes effect within seconds. Default: none.
	RefreshFile string `json:"refresh_file,omitempty"`

	// RefreshEvery is how often each of these paths is asked for, from a minute to a
	// day; answers then serve until they are twice as old, unless the tool forbids
	// it. Default: shortly before its answer goes stale.
	RefreshEvery Duration `json:"refresh_every,omitempty"`

	// Mirror are files of a library or a font service that the edge keeps and
	// serves by itself: nothing else of the tool is reached. Default: none.
	Mirror []MirrorFile `json:"mirror,omitempty"`

	// Rewrite leads what gadgets load from the tool's own addresses to the proxy, where
	// a page has the script at `/.tools/rewrite.js`: so gadgets needn't be edited. It
	// covers the origin, not Hosts, and each file of a mirror. Default: false.
	Rewrite bool `json:"rewrite,omitempty"`

	// AllowLoopback is for tests and demonstrations only: the tool must then
	// live on a loopback address (127.0.0.0/8, [::1] or localhost), by http or
	// https, and can be nowhere else. Default: false.
	AllowLoopback bool `json:"allow_loopback,omitempty"`
}

// Origins returns the tool's origins in normal form, its own first and then
// one for each of Hosts. Call it on a board's tool.
func (t *Tool) Origins() []string {
	scheme, _, _ := strings.Cut(t.Origin, "://")
	origins := []string{t.Origin}
	for _, host := range t.Hosts {
		origins = append(origins, scheme+"://"+host)
	}
	return origins
}

// Has reports whether the tool declares the kind.
func (t *Tool) Has(kind Kind) bool { return slices.Contains(t.Kinds, kind) }

// withDefaults returns a copy with defaults filled in.
func (t *Tool) withDefaults() *Tool {
	own := *t
	own.Kinds, own.Methods, own.Hosts = slices.Clone(t.Kinds), slices.Clone(t.Methods), slices.Clone(t.Hosts)
	own.Integrity, own.Streams, own.Refresh, own.Mirror = slices.Clone(t.Integrity), slices.Clone(t.Streams), slices.Clone(t.Refresh), slices.Clone(t.Mirror)
	own.Sandbox, own.Allow = slices.Clone(t.Sandbox), slices.Clone(t.Allow)
	if len(own.Kinds) == 0 {
		own.Kinds = []Kind{Img, Data}
	}
	if len(own.Methods) == 0 {
		own.Methods = []string{http.MethodGet, http.MethodHead}
	}
	if own.Access == "" {
		own.Access = ByProxy
	}
	if own.Title == "" {
		own.Title = own.Name
	}
	return &own
}

// Duration is a time span, in JSON a string such as "30s" or a number of
// nanoseconds.
type Duration time.Duration

func (d Duration) span() time.Duration { return time.Duration(d) }

// MarshalJSON writes the span as a string.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON reads a string such as "30s" or a number of nanoseconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '"' {
		return json.Unmarshal(b, (*int64)(d))
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	span, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("parsing duration: %w", err)
	}
	*d = Duration(span)
	return nil
}

// Interface guards
var (
	_ json.Marshaler   = Duration(0)
	_ json.Unmarshaler = (*Duration)(nil)
)
