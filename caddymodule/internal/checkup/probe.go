package checkup

import (
	"crypto/rand"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Header is the header by which the edge knows a request of the doctor's again. It goes no further than the edge.
const Header = "Wikiveil-Probe"

const (
	probeTime = time.Minute
	maxProbes = 64
)

// Seen is what the edge made of a request that it was told to look out for.
type Seen struct {
	// Arrived: the request came to a client_mask of this edge. The rest is empty otherwise.
	Arrived bool `json:"arrived"`
	// Refused is why it was let no further.
	Refused string `json:"refused,omitempty"`
	// Mask and Networks are those of the client that the edge took it from.
	Mask     string   `json:"mask,omitempty"`
	Networks []string `json:"networks,omitempty"`
	// Mode and NetworksMode are the client_mask's options `mode` and `networks`.
	Mode         string `json:"mode,omitempty"`
	NetworksMode string `json:"networks_mode,omitempty"`
	// Trusted: it came from an address in trusted_proxies. Named: that named a client.
	Trusted bool `json:"trusted,omitempty"`
	Named   bool `json:"named,omitempty"`
	// Forwarded: it had a header in which proxies name clients.
	Forwarded bool `json:"forwarded,omitempty"`
	// Private: it came from a loopback or private address that isn't in trusted_proxies.
	Private bool `json:"private,omitempty"`
	// ClientIPHeaders are those that the edge's server reads clients' addresses from.
	ClientIPHeaders []string `json:"client_ip_headers,omitempty"`
}

// Probes are the requests to look out for. The zero value is ready; it is safe for concurrent use.
type Probes struct {
	waiting atomic.Int32 // how many are in the map
	mu      sync.Mutex
	byToken map[string]*probe
}

type probe struct {
	seen    Seen
	met     bool
	expires time.Time
}

// New returns a token that a request with [Header] is to bear within a minute; "" where too many are waited for.
func (p *Probes) New(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropExpired(now)
	token := ""
	if len(p.byToken) < maxProbes {
		if p.byToken == nil {
			p.byToken = make(map[string]*probe)
		}
		token = rand.Text()
		p.byToken[token] = &probe{expires: now.Add(probeTime)}
	}
	p.waiting.Store(int32(len(p.byToken)))
	return token
}

func (p *Probes) dropExpired(now time.Time) {
	maps.DeleteFunc(p.byToken, func(_ string, known *probe) bool { return now.After(known.expires) })
	p.waiting.Store(int32(len(p.byToken)))
}

// Take returns what was seen of the request with a token, and forgets it.
func (p *Probes) Take(token string) Seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.byToken[token]
	delete(p.byToken, token)
	p.waiting.Store(int32(len(p.byToken)))
	if known == nil {
		return Seen{}
	}
	return known.seen
}

// Meet has look called for a request that is looked out for, once, and takes the header off it. It costs one load of a number
// where nobody is at the doctor's.
func (p *Probes) Meet(r *http.Request, look func() Seen) {
	if p.waiting.Load() == 0 || r.Header[Header] == nil {
		return
	}
	known, first := p.meet(r.Header.Get(Header))
	if known == nil {
		return
	}
	delete(r.Header, Header)
	if !first {
		return
	}
	seen := look()
	seen.Arrived = true
	p.mu.Lock()
	defer p.mu.Unlock()
	known.seen = seen
}

// meet returns the probe of a token, and whether this is the one request that it is for, in time.
func (p *Probes) meet(token string) (known *probe, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if known = p.byToken[token]; known != nil {
		first = !known.met && !now.After(known.expires)
		known.met = true
	}
	p.dropExpired(now)
	return known, first
}
