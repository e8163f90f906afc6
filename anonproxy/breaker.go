package anonproxy

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Bounds of the breaker.
const (
	failureRun   = 10               // failures without a success between them that open it
	failureShare = 3                // of them that one client may bring about by what they ask for
	firstPause   = 5 * time.Second  // doubled with each probe that fails
	longestPause = time.Minute      // then it stays
	longestAsked = 5 * time.Minute  // by the tool, in Retry-After
	distrust     = 30 * time.Second // that a client waits longer than others whose probes failed
)

// health is how a tool did with one request.
type health int

const (
	unknown health = iota // it wasn't asked to the end
	well                  // it answered; 404 and what we refuse are answers
	ailing                // 429, 5xx, too slow or no HTTP: may be due to what was asked for
	dead                  // there is no connection to it
)

// What a breaker is told of a request that didn't do well.
var errFailed, errSaysNothing = errors.New("failed"), errors.New("says nothing")

// breaker leaves a tool alone that doesn't answer. Which requests it lets through is gobreaker's work; when, is told
// here, as a tool may ask for a pause and each probe that fails doubles it. Nobody shall be able to open it for others
// by what they ask for, so each client counts for a part of the run only, unless there is no connection at all.
type breaker struct {
	mu      sync.Mutex
	circuit *gobreaker.TwoStepCircuitBreaker[any]
	became  gobreaker.State
	until   time.Time     // nobody is let through before
	pause   time.Duration // of the last time it opened
	asked   bool          // by the tool
	tripped bool          // it has asked right now
	wells   int           // how often the tool did well
	failing int           // clients whom it failed since
}

// failures are those of one client, which may be due to what they asked for.
type failures struct {
	n     int
	wells int       // the breaker's, when they were counted: what was before that is forgiven
	until time.Time // the tool asked this client for a pause
}

func newBreaker() *breaker {
	b := new(breaker)
	b.circuit = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Timeout:       1, // until says for how long
		OnStateChange: func(_ string, _, state gobreaker.State) { b.became = state },
		ReadyToTrip:   func(counts gobreaker.Counts) bool { return b.tripped || counts.ConsecutiveFailures >= failureRun },
		IsExcluded:    func(err error) bool { return errors.Is(err, errSaysNothing) },
	})
	return b
}

// permit is what a request that may be sent is settled by.
type permit struct {
	done   func(error)
	probes bool // it was sent to see whether the tool answers again
}

// begin reports whether a request of a client may be sent, or how long to wait. If it may, settle must follow.
func (b *breaker) begin(now time.Time, client *failures) (p permit, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := b.until
	p.probes = b.circuit.State() != gobreaker.StateClosed
	if p.probes && b.of(client) >= failureShare {
		until = until.Add(distrust)
	}
	if now.Before(until) {
		return permit{}, until.Sub(now)
	}
	var err error
	if p.done, err = b.circuit.Allow(); err != nil { // another is trying
		return permit{}, time.Second
	}
	return p, 0
}

// wait is how long the breaker stays open; 0 where it isn't.
func (b *breaker) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, b.until.Sub(now))
}

// paused is how long the client's own pause lasts.
func (b *breaker) paused(client *failures, now time.Time) time.Duration {
	if client == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, client.until.Sub(now))
}

// refusal is the response while it is open.
func (b *breaker) refusal(wait time.Duration) *refusal.Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	reason := "the tool doesn't answer at present; it is asked again in "
	if b.asked {
		reason = "the tool has asked for a pause; it is asked again in "
	}
	return refusal.Literal(http.StatusServiceUnavailable, outcomes.BreakerOpen, reason+inSeconds(wait))
}

// outcome is how a request went, and what the tool asked for with it.
type outcome struct {
	health
	client *failures     // nil: nobody in particular
	pause  time.Duration // that the tool asked for
	ofOne  bool          // which may be due to what this client asked for
}

// settle takes how a request went that begin let through. It reports whether the tool is left alone from now on, and for how
// long, or is asked again.
func (b *breaker) settle(p permit, o outcome, now time.Time) (opened time.Duration, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, err := b.circuit.State(), errFailed
	if before != gobreaker.StateClosed && !p.probes && o.pause == 0 {
		return 0, false // sent before it opened: who leaves then must not end the pause
	}
	switch o.health {
	case unknown:
		err = errSaysNothing
		if p.probes && o.client != nil { // who leaves again and again must not keep the others out
			b.blame(o.client)
			b.until = now // from which on they wait longer than others
		}
	case well:
		err = nil
		b.wells++
		b.failing = 0
	case ailing:
		if o.client == nil {
			break
		}
		if before == gobreaker.StateClosed && b.of(o.client) >= failureShare {
			err = errSaysNothing
		}
		b.blame(o.client)
		if o.ofOne && o.pause > 0 {
			if o.client.until = now.Add(o.pause); b.failing <= failureShare {
				o.pause = 0
			}
		}
	}
	if o.pause > 0 {
		b.asked, err = true, errFailed
		if until := now.Add(o.pause); until.After(b.until) {
			b.until = until
		}
	}
	b.tripped, b.became = o.pause > 0, before
	p.done(err)
	switch after := b.became; {
	case after == gobreaker.StateClosed && before != after:
		b.pause, b.until, b.asked = 0, time.Time{}, false
		return 0, true
	case after == gobreaker.StateOpen && before != after:
		if o.pause == 0 {
			b.pause = max(firstPause, min(2*b.pause, longestPause))
			b.until, b.asked = now.Add(b.pause), false
		}
		if before == gobreaker.StateClosed {
			return b.until.Sub(now), false
		}
	}
	return 0, false
}

// of is how often the tool failed a client since it last did well.
func (b *breaker) of(client *failures) int {
	if client == nil || client.wells != b.wells {
		return 0
	}
	return client.n
}

// blame counts a failure of a client's.
func (b *breaker) blame(client *failures) {
	if client.n, client.wells = b.of(client)+1, b.wells; client.n == 1 {
		b.failing++
	}
}

// Breaker reports whether the tool is asked at present. It is half open where one request at a time is, to see whether
// the tool answers again.
func (t *Transport) Breaker() gobreaker.State { return t.gate.breaker.state() }

func (b *breaker) state() gobreaker.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().Before(b.until) {
		return gobreaker.StateOpen
	}
	return b.circuit.State()
}

// pauseAsked reads the Retry-After of a 429 or a 503 (RFC 9110 section 10.2.3): a number
// of seconds or a date. It is 0 for none.
func pauseAsked(res *http.Response, now time.Time) time.Duration {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text, ok := headers.Single(res.Header, "Retry-After")
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
