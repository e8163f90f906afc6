package anonproxy

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of the breaker.
const (
	failureRun    = 10               // failures without a success between them that open it
	failureShare  = 3                // of them that one client may bring about by what he asks for
	firstPause    = 5 * time.Second  // doubled with each probe that fails
	longestPause  = time.Minute      // then it stays
	longestAsked  = 5 * time.Minute  // by the tool, in Retry-After
	distrust      = 30 * time.Second // that a client waits longer than others whose probes failed
	rememberedBad = 64               // clients
)

// health is how a tool did with one request.
type health int

const (
	unknown health = iota // it wasn't asked to the end
	well                  // it answered; 404 and what we refuse are answers
	ailing                // 429, 5xx, too slow or no HTTP: may be due to what was asked for
	dead                  // there is no connection to it
)

// event is what a breaker's state became.
type event int

const (
	nothing event = iota
	opened
	closed
)

// breaker leaves a tool alone that doesn't answer: closed, it lets all through; after a
// run of failures it is open for a while; then it is half open and lets one request at a
// time through, until one does well. Nobody shall be able to open it for others by what
// he asks for, so each client counts for a part of the run only, unless there is no
// connection at all.
type breaker struct {
	mu      sync.Mutex
	run     int
	by      map[uint64]int // of the failures that may be due to what was asked for
	until   time.Time      // zero: closed
	pause   time.Duration  // of the last time it opened
	asked   bool           // by the tool
	probing bool
	pauses  map[uint64]time.Time // the ends of those that the tool asked single clients for
	pleas   map[uint64]struct{}  // the clients whom it asked since it last did well
}

// begin tells whether a request may be sent, and whether it is a probe; or how long to
// wait. settle must follow.
func (b *breaker) begin(now time.Time, who uint64) (probes bool, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := b.until
	switch {
	case until.IsZero():
		return false, 0
	case who != 0 && b.by[who] >= failureShare:
		until = until.Add(distrust)
	}
	switch {
	case now.Before(until):
		return false, until.Sub(now)
	case b.probing:
		return false, time.Second
	}
	b.probing = true
	return true, 0
}

// wait is how long the breaker stays open; 0 where it isn't.
func (b *breaker) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return 0
	}
	return max(0, b.until.Sub(now))
}

// refusal is the answer while it is open.
func (b *breaker) refusal(wait time.Duration) *refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	reason := "the tool doesn't answer at present; it is asked again in "
	if b.asked {
		reason = "the tool has asked for a pause; it is asked again in "
	}
	return &refusal{http.StatusServiceUnavailable, OutcomeBreakerOpen, reason + inSeconds(wait)}
}

// settle takes how a request went that begin let through. A pause is what the tool
// asked for.
func (b *breaker) settle(probes bool, how health, who uint64, pause time.Duration, now time.Time) (event, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shut := !b.until.IsZero()
	if probes {
		b.probing = false
	}
	switch {
	case how == unknown && probes && who != 0: // he left: who does so again and again must not keep the others out
		b.blame(who)
		b.until = now // from which on he waits longer than they
		return nothing, 0
	case how == unknown, shut && !probes && pause == 0: // begun before it opened
		return nothing, 0
	case how == well:
		clear(b.by)
		clear(b.pleas)
		b.run, b.pause, b.until, b.asked = 0, 0, time.Time{}, false
		if shut {
			return closed, 0
		}
		return nothing, 0
	case pause > 0:
		return b.open(now, max(pause, b.until.Sub(now)), true, shut)
	}
	if how == ailing && who != 0 {
		if !shut && b.by[who] >= failureShare {
			return nothing, 0
		}
		b.blame(who)
	}
	if b.run++; !shut && b.run < failureRun {
		return nothing, 0
	}
	b.pause = max(firstPause, min(2*b.pause, longestPause))
	return b.open(now, b.pause, false, shut)
}

// plead takes a pause that may be due to what the client asked for: it is his alone until the
// tool has asked four for one, with no success in between. It returns what holds for all.
func (b *breaker) plead(who uint64, pause time.Duration, now time.Time) time.Duration {
	if who == 0 || pause == 0 {
		return pause
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pauses == nil {
		b.pauses, b.pleas = make(map[uint64]time.Time), make(map[uint64]struct{})
	}
	maps.DeleteFunc(b.pauses, func(_ uint64, until time.Time) bool { return !now.Before(until) })
	if len(b.pauses) >= rememberedBad {
		clear(b.pauses)
	}
	b.pauses[who], b.pleas[who] = now.Add(pause), struct{}{}
	if len(b.pleas) <= failureShare {
		return 0
	}
	return pause
}

// paused is how long the client's own pause lasts.
func (b *breaker) paused(who uint64, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, b.pauses[who].Sub(now))
}

// blame counts a failure against a client.
func (b *breaker) blame(who uint64) {
	if len(b.by) >= rememberedBad {
		clear(b.by)
	}
	if b.by == nil {
		b.by = make(map[uint64]int)
	}
	b.by[who]++
}

func (b *breaker) open(now time.Time, pause time.Duration, asked, already bool) (event, time.Duration) {
	b.until, b.asked = now.Add(pause), asked
	if already {
		return nothing, 0
	}
	return opened, pause
}

// BreakerState is whether a tool is asked.
type BreakerState int

// The states.
const (
	BreakerClosed   BreakerState = iota // it is
	BreakerHalfOpen                     // by one request at a time, to see whether it answers again
	BreakerOpen                         // it isn't, as it doesn't answer or has asked for a pause
)

// Breaker tells whether the tool is asked at present.
func (g *Gate) Breaker() BreakerState {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.until.IsZero():
		return BreakerClosed
	case time.Now().Before(b.until):
		return BreakerOpen
	}
	return BreakerHalfOpen
}

// pauseAsked reads the Retry-After of a 429 or a 503 (RFC 9110 section 10.2.3): a number
// of seconds or a date. It is 0 for none.
func pauseAsked(res *http.Response, now time.Time) time.Duration {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text, ok := single(res.Header, "Retry-After")
	if !ok {
		return 0
	}
	text = strings.Trim(text, " \t")
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		return min(time.Duration(min(n, uint64(longestAsked/time.Second)))*time.Second, longestAsked)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(at.Sub(now), longestAsked))
	}
	return 0
}
