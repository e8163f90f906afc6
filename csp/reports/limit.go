package reports

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// A Rate is how many reports are taken: so many a second in the long run, and Burst
// at once.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Defaults of a [Config]. A page with many blocked resources sends some dozens of
// reports at once, each in a request of its own where report-uri is used.
var (
	DefaultOverall   = Rate{PerSecond: 1000, Burst: 5000}
	DefaultPerClient = Rate{PerSecond: 2, Burst: 100}
)

// DefaultClients is how many clients are told apart.
const DefaultClients = 10_000

// Reasons for which a report is over the limit.
const (
	LimitClient  Reason = "client"
	LimitOverall Reason = "overall"
)

// limits takes reports' tokens. Clients are known by a keyed hash of their key, and
// the one that sent nothing for longest is forgotten for a new one. So a client with
// many keys can evade its own limit, but not the overall one.
type limits struct {
	overall   *rate.Limiter
	perClient Rate
	seed      maphash.Seed

	mu      sync.Mutex
	clients *simplelru.LRU[uint64, *rate.Limiter]
}

func newLimits(overall, perClient Rate, clients int) (*limits, error) {
	lru, err := simplelru.NewLRU[uint64, *rate.Limiter](clients, nil)
	if err != nil {
		return nil, err
	}
	return &limits{
		overall:   rate.NewLimiter(rate.Limit(overall.PerSecond), overall.Burst),
		perClient: perClient, seed: maphash.MakeSeed(), clients: lru,
	}, nil
}

// client returns the limiter of a client; nil, which limits nothing, for no key.
func (l *limits) client(key string) *rate.Limiter {
	if key == "" {
		return nil
	}
	hash := maphash.String(l.seed, key)
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.clients.Get(hash)
	if !ok {
		limiter = rate.NewLimiter(rate.Limit(l.perClient.PerSecond), l.perClient.Burst)
		l.clients.Add(hash, limiter)
	}
	return limiter
}

// take takes one report, or says which limit it is over. The client's comes first, so
// that a client that is over its limit takes nothing from the others.
func (l *limits) take(client *rate.Limiter, now time.Time) Reason {
	switch {
	case client != nil && !client.AllowN(now, 1):
		return LimitClient
	case !l.overall.AllowN(now, 1):
		return LimitOverall
	}
	return ""
}
