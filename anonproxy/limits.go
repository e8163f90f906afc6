package anonproxy

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// defaultConcurrent is how many requests one tool gets at one time.
const defaultConcurrent = 256

// knownClients is how many clients of a tool are told apart; the one that asked for
// nothing for longest is forgotten for a new one. That makes nobody's limit easy to
// get round: it takes as many masks, and a few of them reach the tool's own.
const knownClients = 8 << 10

// gate is what a [Transport] remembers to be fair to its tool.
type gate struct {
	breaker *breaker
	all     bucket
	seed    maphash.Seed

	mu      sync.Mutex
	clients *simplelru.LRU[uint64, *gateClient]
	slots   map[int]*slots // by their number, which sites may set apart
}

// gateClient is what a gate knows of one client.
type gateClient struct {
	asked    bucket
	failures failures // guarded by the breaker
	slots    []*slots // its part of the tool's, for each share; none where it is no single client
}

// newGate returns the gate of a tool that was never asked.
func newGate() *gate {
	clients, _ := simplelru.NewLRU[uint64, *gateClient](knownClients, nil) // fails for no size above 0
	return &gate{breaker: newBreaker(), seed: maphash.MakeSeed(), clients: clients, slots: make(map[int]*slots)}
}

// slotsOf returns the slots of a number.
func (g *gate) slotsOf(size int) *slots {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.slots[size] == nil {
		g.slots[size] = newSlots(size)
	}
	return g.slots[size]
}

// client returns what is known of a client, and its slots, a share of the tool's.
func (g *gate) client(key string, share int) (*gateClient, *slots) {
	id := uint64(0)
	if key != "" {
		id = max(1, maphash.String(g.seed, key))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.clients.Get(id)
	if !ok {
		c = new(gateClient)
		g.clients.Add(id, c)
	}
	if id == 0 {
		return c, nil
	}
	for _, s := range c.slots { // sites may set the shares apart
		if s.size == share {
			return c, s
		}
	}
	s := newSlots(share)
	c.slots = append(c.slots, s)
	return c, s
}

// fairness is what an upstream is allowed, and its gate.
type fairness struct {
	gate               *gate
	limit, clientLimit noticeboard.Rate
	slots              *slots
	share              int // of one client
}

func (p *Proxy) fairness(tool *noticeboard.Tool, transport *Transport) fairness {
	return fairness{
		gate: transport.gate, limit: cmp.Or(tool.Limit, p.cfg.Limit), clientLimit: cmp.Or(tool.ClientLimit, p.cfg.ClientLimit),
		slots: transport.gate.slotsOf(p.cfg.Concurrent), share: max(1, p.cfg.Concurrent/4),
	}
}

// visit is one client's request that the cache has no answer for. What it is charged
// for is only what the tool is asked because of it.
type visit struct {
	up     *upstream
	client *gateClient  // nil: clients aren't told apart at all
	slots  *slots       // the client's, of which one is taken
	users  atomic.Int32 // the request and its fetches under way, of which the last gives the slot back
	owed   atomic.Int32 // charged for fetches that haven't begun
	wait   atomic.Int64 // a time span, where the client is over its limit, or the tool has asked them for a pause
}

// visit begins one. It waits for its turn where the client has many under way.
func (p *Proxy) visit(ctx context.Context, client string, up *upstream) (*visit, *refusal.Refusal) {
	v := &visit{up: up}
	if p.cfg.Reader == nil {
		return v, nil
	}
	v.client, v.slots = up.gate.client(client, up.share)
	if v.slots == nil {
		return v, nil
	}
	v.users.Store(1)
	if !v.slots.enter(ctx) {
		if ctx.Err() != nil {
			return nil, refusal.Literal(http.StatusBadGateway, outcomes.Canceled, errReader.Error())
		}
		return nil, refusal.Literal(http.StatusTooManyRequests, outcomes.LimitedClient, "too many requests of yours to the tool are under way; try again in a few seconds")
	}
	return v, nil
}

// admitted is a visit that is charged for a fetch.
func (p *Proxy) admitted(w http.ResponseWriter, r *http.Request, reader *Reader, up *upstream) (*visit, *refusal.Refusal) {
	v, refused := p.visit(r.Context(), reader.Client, up)
	if refused != nil {
		return nil, refused
	}
	if err := v.admit(); err != nil {
		refused = fetchRefusal(r.Context(), err, http.StatusBadGateway)
		v.putRetryAfter(w.Header(), refused)
		v.end()
		return nil, refused
	}
	return v, nil
}

// admit charges the client for a fetch that is to begin for them.
func (v *visit) admit() error {
	if v.client == nil {
		return nil
	}
	if wait := v.up.gate.breaker.paused(v.failures(), time.Now()); wait > 0 {
		v.wait.Store(int64(wait))
		return refusal.Literal(http.StatusServiceUnavailable, outcomes.BreakerOpen, "the tool has asked for a pause; it is asked again in "+inSeconds(wait))
	}
	if wait := v.client.asked.take(v.up.clientLimit, time.Now()); wait > 0 {
		v.wait.Store(int64(wait))
		return refusal.Literal(http.StatusTooManyRequests, outcomes.LimitedClient,
			fmt.Sprintf("you have made this wiki ask the tool too often; try again in %s", inSeconds(wait)))
	}
	v.owed.Add(1)
	return nil
}

// begin is called by a fetch that begins. Its client may have gone by then, with the
// charge given back. It reports whether the fetch keeps the client's slot, to be left.
func (v *visit) begin() (keeps bool) {
	if v == nil || v.client == nil {
		return false
	}
	for n := v.users.Load(); n > 0 && !keeps; n = v.users.Load() {
		keeps = v.users.CompareAndSwap(n, n+1)
	}
	if n := v.owed.Load(); n > 0 && v.owed.CompareAndSwap(n, n-1) {
		return keeps
	}
	v.client.asked.owe(v.up.clientLimit, time.Now())
	return keeps
}

// leave ends one of the slot's uses. A fetch may go on when the client has left, for others
// or to be kept: it is still one of theirs, or one client could have any number under way.
func (v *visit) leave() {
	if v.users.Add(-1) == 0 {
		v.slots.leave()
	}
}

// end gives back what wasn't used.
func (v *visit) end() {
	if v.slots != nil {
		v.leave()
	}
	if n := v.owed.Swap(0); n > 0 {
		v.client.asked.giveBack(v.up.clientLimit, int(n))
	}
}

// failures are the client's, nil if it is nobody in particular.
func (v *visit) failures() *failures {
	if v == nil || v.slots == nil {
		return nil
	}
	return &v.client.failures
}

// putRetryAfter says when the client may ask again, where that is why they are refused.
func (v *visit) putRetryAfter(h http.Header, e *refusal.Refusal) {
	if wait := time.Duration(v.wait.Load()); wait > 0 && (e.Reason == outcomes.LimitedClient || e.Reason == outcomes.BreakerOpen) {
		h.Set("Retry-After", strconv.Itoa(seconds(wait)))
	}
}

// putRetryAfter says when to ask again, where all clients are refused for a time. The gate
// tells it and not the refusal, for which many may have waited.
func (f *fairness) putRetryAfter(h http.Header, e *refusal.Refusal) {
	now, wait := time.Now(), time.Duration(0)
	switch {
	case e.Reason == outcomes.LimitedTool:
		wait = f.gate.all.wait(f.limit, now)
	case e.Reason == outcomes.BreakerOpen, e.Reason == outcomes.ToolError && (e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable):
		wait = f.gate.breaker.wait(now)
	}
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds(wait)))
	}
}

// seconds are at least as long as the span, and at least one.
func seconds(span time.Duration) int {
	return max(1, int((span+time.Second-1)/time.Second))
}

func inSeconds(span time.Duration) string {
	if n := seconds(span); n > 1 {
		return strconv.Itoa(n) + " seconds"
	}
	return "1 second"
}

// isForNow tells refusals that say nothing about an answer.
func isForNow(e *refusal.Refusal) bool {
	return e.Reason == outcomes.LimitedClient || e.Reason == outcomes.LimitedTool || e.Reason == outcomes.BreakerOpen
}
