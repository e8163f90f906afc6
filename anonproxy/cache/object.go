package cache

import (
	"container/list"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync/atomic"
	"time"
)

// maxBrowserAge bounds how long a browser may keep an answer, so that a tool that
// is taken away is gone soon.
const maxBrowserAge = time.Hour

// object is an answer. Once it is handed out nothing in it changes but its body, nextTry and what is the store's.
type object struct {
	key         Key
	status      int
	contentType string
	control     string // Cache-Control for browsers
	url         string // where it came from after redirects
	header      http.Header
	policy      policy
	received    time.Time
	heldFor     time.Duration // after its lifetime, as it is asked for on a schedule
	body        *body
	lengthSaid  int64 // by the tool, -1 if it didn't

	shown   time.Duration // how long a browser may keep it
	nextTry atomic.Int64  // not to be asked for anew before (Unix nanoseconds)

	// Of whole bodies.
	size int64
	etag string

	// Of the store.
	asked atomic.Bool
	place *list.Element
}

// complete fills in what is known once the body is whole.
func (o *object) complete() {
	o.size = int64(len(o.body.bytes))
	if o.status == http.StatusOK {
		// The type is in the hash, as a strong validator stands for that too.
		content := sha256.Sum256(o.body.bytes)
		sum := sha256.Sum256(append(append([]byte(o.contentType), 0), content[:]...))
		o.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
	}
}

// present puts what browsers are told of the lifetime. It doesn't change with age.
func (o *object) present() {
	o.shown = min(o.policy.browser, maxBrowserAge).Truncate(time.Second)
	switch {
	case o.status >= 400:
		o.control = "no-store"
	case o.shown <= 0:
		o.control = "private, no-cache"
	default:
		o.control = maxAge(o.shown)
		if o.policy.neverStale {
			o.control += ", must-revalidate"
		}
	}
}

func (o *object) age(now time.Time) time.Duration {
	return o.policy.initialAge + max(0, now.Sub(o.received))
}

// fresh is how much longer an answer is fresh.
func (o *object) fresh(now time.Time) time.Duration { return max(0, o.policy.lifetime-o.age(now)) }

// browserAge is the Age for browsers. To them the edge is the origin, and the
// lifetime that it shows is the last part of the real one. So the browser keeps
// the response exactly as long as it may, and for most of a long life Age is 0 and
// doesn't tell when another reader's request was.
func (o *object) browserAge(now time.Time) int64 {
	return int64(max(0, o.age(now)-(max(o.policy.browser, 0)-o.shown)) / time.Second)
}

// state is what may be done with a stored answer now.
type state int

const (
	fresh    state = iota
	held           // stale, and asked for on a schedule: as good as fresh
	staleOK        // while it is being asked for anew
	staleErr       // only if asking fails
	expired        // only if the tool confirms it
)

func (o *object) state(now time.Time) state {
	if o.policy.validate {
		return expired
	}
	stale := o.age(now) - o.policy.lifetime
	switch {
	case stale < 0:
		return fresh
	case stale < o.heldFor:
		return held
	case stale < o.policy.staleWhileRevalidate:
		return staleOK
	case stale < o.policy.staleIfError:
		return staleErr
	}
	return expired
}

// mayReplaceError reports whether it may be served where the tool fails.
func (o *object) mayReplaceError(now time.Time) bool {
	return !o.policy.validate && o.age(now)-o.policy.lifetime < max(o.policy.staleIfError, o.heldFor)
}

// cost is what it takes of the budget beside its body.
func (o *object) cost() int64 {
	n := o.key.size() + int64(len(o.url)+len(o.contentType))
	for _, values := range o.header {
		for _, v := range values {
			n += int64(len(v)) + 64
		}
	}
	return n
}
