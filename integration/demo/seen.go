package demo

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// identifiers is where masks live (ORCHIDv2, RFC 7343).
var identifiers = netip.MustParsePrefix("2001:20::/28")

// Seen is what a server learnt from one request.
type Seen struct {
	// Address is the client's address as the server takes it.
	Address string `json:"address"`
	// Masked is whether Address is a mask and no address of a machine.
	Masked bool `json:"masked"`
	// Forwarded is whether a reverse proxy handed the request on.
	Forwarded bool `json:"forwarded"`
	// Networks are the entries of X-Forwarded-For before the client's own.
	Networks []string `json:"networks,omitempty"`
	Method   string   `json:"method"`
	// Path is the request's path and query.
	Path string `json:"path"`
	// Headers are all that arrived, in the order of their names.
	Headers []Header `json:"headers"`
}

// Header is one header that arrived.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Note says in a few words what it is; empty where nothing is to say.
	Note string `json:"-"`
}

// headerNotes explains the headers that a reader is likely to ask about.
var headerNotes = map[string]string{
	"Accept-Language":      "your browser’s; the edge hides addresses, not browsers",
	"Client-Mask":          "from the edge: your mask",
	"Client-Network":       "from the edge: the named networks you are in",
	"Client-Network-Masks": "from the edge: masks of the networks you are in",
	"Cookie":               "the wiki’s own, set by its page",
	"Host":                 "the address you opened",
	"Referer":              "the page of this wiki you came from",
	"User-Agent":           "your browser’s; the edge hides addresses, not browsers",
	"Via":                  "from the edge: a Caddy was in between",
	"X-Forwarded-For":      "from the edge: masks of your networks, then your own, last",
	"X-Forwarded-Host":     "from the edge: the address you opened",
	"X-Forwarded-Proto":    "from the edge: how you reached it",
}

// seePeer collects what r tells a server that knows of no reverse proxy.
func seePeer(r *http.Request) Seen {
	s := Seen{Address: r.RemoteAddr, Method: r.Method, Path: r.URL.RequestURI(), Headers: headers(r)}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		s.Address = peer.Addr().Unmap().String()
	}
	return s
}

// see collects what r tells a server behind a reverse proxy. The client's
// address is the last entry of X-Forwarded-For if the connection comes from
// this machine, where the proxy is; anyone else could have made that header up.
func see(r *http.Request) Seen {
	s := seePeer(r)
	if peer, err := netip.ParseAddr(s.Address); err != nil || !peer.IsLoopback() {
		return s
	}
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := range chain {
		chain[i] = strings.TrimSpace(chain[i])
	}
	client, err := netip.ParseAddr(chain[len(chain)-1])
	if err != nil {
		return s
	}
	s.Address, s.Forwarded = client.Unmap().String(), true
	s.Masked = identifiers.Contains(client)
	s.Networks = chain[:len(chain)-1]
	return s
}

func headers(r *http.Request) []Header {
	list := []Header{{Name: "Host", Value: r.Host}} // Go takes it out of the map
	for name, values := range r.Header {
		for _, value := range values {
			list = append(list, Header{Name: name, Value: value})
		}
	}
	slices.SortStableFunc(list, func(a, b Header) int { return strings.Compare(a.Name, b.Name) })
	for i := range list {
		list[i].Note = headerNotes[list[i].Name]
	}
	return list
}
