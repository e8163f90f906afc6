package checkup

import (
	"crypto/rand"
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
}

// Probes are the requests to look out for. The zero value is ready; it is safe for concurrent use.
type Probes struct {
	waiting atomic.Int32 // how many are in the map
	mu      sync.Mutex
	byToken map[string]*probe
}

type probe struct {
	seen    Seen
	expires time.Time
}

// New returns a token that a request with [Header] is to bear within a minute; "" where too many are waited for.
func (p *Probes) New(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for token, known := range p.byToken {
		if now.After(known.expires) {
			delete(p.byToken, token)
		}
	}
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

// Meet has look called for a request that is looked out for, and takes the header off it. It costs one load of a number
// where nobody is at the doctor's.
func (p *Probes) Meet(r *http.Request, look func() Seen) {
	if p.waiting.Load() == 0 || r.Header[Header] == nil {
		return
	}
	token := r.Header.Get(Header)
	p.mu.Lock()
	known := p.byToken[token]
	p.mu.Unlock()
	if known == nil {
		return
	}
	delete(r.Header, Header)
	seen := look()
	seen.Arrived = true
	p.mu.Lock()
	defer p.mu.Unlock()
	known.seen = seen
}
