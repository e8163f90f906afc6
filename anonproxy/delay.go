package anonproxy

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// maxWaiting bounds the requests for one tool that wait to be sent. More are
// refused: sent at once, they would show when their readers asked.
const maxWaiting = 4096

// hold keeps requests for a tool back, so that the times in its log aren't those
// at which readers asked.
type hold struct {
	delay   time.Duration
	batch   *batch // nil if there is none
	waiting atomic.Int64
}

func newHold(tool *noticeboard.Tool) *hold {
	h := &hold{delay: time.Duration(tool.Delay)}
	if tool.Batch > 0 {
		h.batch = newBatch(time.Duration(tool.Batch))
	}
	return h
}

// holds tells whether requests for the tool wait at all.
func (h *hold) holds() bool { return h.delay > 0 || h.batch != nil }

// batched tells whether a request waits for others. One of which nobody knows what
// it is for may be for data.
func (h *hold) batched(a ask) bool {
	return h.batch != nil && (a.kind == noticeboard.Data || a.kind == anyKind)
}

// delayed draws until when a request that is made now waits. It is drawn once for a
// reader's request, so that one who followed another's in vain doesn't wait twice.
//
// The draw is uniform, which the tool can't see through: the runtime's ChaCha8 is
// seeded by the system for each process, and nobody can tell its next numbers from
// those before.
func (h *hold) delayed() time.Time {
	if h.delay <= 0 {
		return time.Time{}
	}
	return time.Now().Add(rand.N(h.delay))
}

// held waits until a request may be sent, unless ctx ends first. What was let
// through may have been stopped in the meantime.
func (p *Proxy) held(ctx context.Context, up *upstream, a ask, until time.Time) *refusal {
	if !up.hold.holds() {
		return nil
	}
	if up.hold.waiting.Add(1) > maxWaiting {
		up.hold.waiting.Add(-1)
		return badRequest(http.StatusServiceUnavailable, "too many requests wait to be sent to the tool")
	}
	defer up.hold.waiting.Add(-1)
	if wait := time.Until(until); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return errLeft
		}
	}
	if up.hold.batched(a) && !up.hold.batch.wait(ctx) {
		return errLeft
	}
	return p.refuse(up, a.path)
}

// errLeft is for nobody.
var errLeft = &refusal{status: http.StatusBadGateway, outcome: OutcomeCanceled, reason: "the request was canceled"}
