package caddymodule

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/anonproxy/canary"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// runCanary is replaced in tests, as no proxy of ours fails.
var runCanary = canary.Run

const (
	// canaryTick is how soon a declaration's change is noticed.
	canaryTick = 2 * time.Second
	// canaryRetry is how soon a canary that failed, or couldn't be run, runs again.
	canaryRetry = time.Minute
)

// canaryBooks are in use over config reloads, so that a tool which failed stays out of reach.
var canaryBooks = pool.New[*canaryBook]("canaries")

// canaryBook is what is known of tools' canaries, of all handlers whose requests are the same.
type canaryBook struct {
	storage certmagic.Storage
	dir     string // in storage
	running sync.Mutex
	signer  atomic.Pointer[audit.Keys]

	mu    sync.Mutex // of writers of standing
	tools atomic.Pointer[map[string]canaryStanding]
}

// canaryStanding is how a tool's canary fares. It is never changed but replaced.
type canaryStanding struct {
	declaration string    // of the last run
	ran         time.Time // the last run that found something out; zero: none
	due         time.Time // the next run
	differences []string  // by which readers could be told apart
	err         error     // why the last run found nothing out
	shown       *shownTranscript
}

func (b *canaryBook) standing(tool string) canaryStanding { return (*b.tools.Load())[tool] }

// set replaces a tool's standing.
func (b *canaryBook) set(tool string, s canaryStanding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := maps.Clone(*b.tools.Load())
	all[tool] = s
	b.tools.Store(&all)
}

// keep forgets all tools but those that have a canary.
func (b *canaryBook) keep(has map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := maps.Clone(*b.tools.Load())
	maps.DeleteFunc(all, func(tool string, _ canaryStanding) bool { return !has[tool] })
	b.tools.Store(&all)
}

// failing reports whether a tool could tell readers apart.
func (b *canaryBook) failing(tool string) bool { return len(b.standing(tool).differences) > 0 }

// keys returns the keys that transcripts are signed with: those of the audit log, which are
// made when there are none.
func (b *canaryBook) keys(ctx context.Context) (*audit.Keys, error) {
	if keys := b.signer.Load(); keys != nil {
		return keys, nil
	}
	keys, err := audit.OpenKeys(ctx, b.storage)
	if err == nil {
		b.signer.Store(keys)
	}
	return keys, err
}

// publicKey is nil until the keys were read.
func (b *canaryBook) publicKey() ed25519.PublicKey {
	if keys := b.signer.Load(); keys != nil {
		return keys.Public()
	}
	return nil
}

// canaryRunner runs the canaries of a book while a config is in use.
type canaryRunner struct {
	book    *canaryBook
	handler *AnonProxy // one of those with the book
	every   time.Duration
	end     func() // nil: not started
}

// toolCanaries are an app's.
type toolCanaries struct {
	mu      sync.Mutex
	runners map[string]*canaryRunner // by what they are pooled under
}

// openCanary returns the book for a handler, and sees that it is kept up to date once the app starts.
func (a *App) openCanary(ctx caddy.Context, h *AnonProxy) *canaryBook {
	storage := storageOf(ctx)
	id := chainID(a.Site, h.pageOptions().Prefix, h.UserAgentContact)
	key := storageKey(storage) + " " + id
	c := &a.canaries
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.runners[key]; r != nil {
		r.every = min(r.every, h.Canary.every())
		return r.book
	}
	book, _ := canaryBooks.Acquire(&a.held, key, func(*pool.Held) (*canaryBook, error) { // never an error
		b := &canaryBook{storage: storage, dir: canaryDir + "/" + id}
		b.tools.Store(&map[string]canaryStanding{})
		return b, nil
	})
	if c.runners == nil {
		c.runners = make(map[string]*canaryRunner)
	}
	c.runners[key] = &canaryRunner{book: book, handler: h, every: h.Canary.every()}
	return book
}

func (c *toolCanaries) all() []*canaryRunner {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*canaryRunner
	for _, r := range c.runners {
		all = append(all, r)
	}
	return all
}

func (c *toolCanaries) start() {
	for _, r := range c.all() {
		r.end = inBackground(r.follow)
	}
}

func (c *toolCanaries) stop() {
	for _, r := range c.all() {
		if r.end != nil {
			r.end()
			r.end = nil
		}
	}
}

// follow runs the canaries that are due until ctx ends.
func (r *canaryRunner) follow(ctx context.Context) {
	for {
		r.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(canaryTick):
		}
	}
}

// round runs the canaries that are due, of the tools that readers may use now.
func (r *canaryRunner) round(ctx context.Context) {
	live := r.handler.app.live
	has := make(map[string]bool)
	for _, l := range live.Listings(time.Now()) {
		name := l.Tool.Name
		if l.Hash == "" || !noticeboard.HasTranscript(l.Tool) {
			continue
		}
		has[name] = true
		if _, err := live.ForProxy(name, canaryPath); err != nil {
			continue // readers can't either
		}
		if s := r.book.standing(name); s.declaration == l.Hash && time.Now().Before(s.due) {
			continue
		}
		if r.run(ctx, l.Tool, l.Hash); ctx.Err() != nil {
			return
		}
	}
	r.book.keep(has)
}

var canaryPath, _, _ = strings.Cut(canary.Path, "?")

// run runs a tool's canary now, and publishes what came of it.
func (r *canaryRunner) run(ctx context.Context, tool *noticeboard.Tool, declaration string) {
	r.book.running.Lock()
	defer r.book.running.Unlock()
	result, err := runCanary(ctx, r.config(tool))
	if ctx.Err() != nil {
		return
	}
	log := pooledLog().With(zap.String("tool", tool.Name))
	s := r.book.standing(tool.Name)
	s.declaration, s.due = declaration, time.Now().Add(r.wait())
	if err == nil {
		s.ran, s.differences = time.Now(), result.Differences
		if len(result.Differences) > 0 {
			log.Error("CANARY FAILED: the tool could tell readers apart by the edge's requests", zap.Strings("differences", result.Differences),
				zap.Bool("stopped", !r.handler.Canary.reportOnly()))
			s.due = time.Now().Add(canaryRetry)
		}
		s.err = nil
		r.book.set(tool.Name, s) // it holds, whether it can be published or not
		var shown *shownTranscript
		if shown, err = r.publish(ctx, tool, declaration, result); err == nil {
			s.shown = shown
		}
	}
	if err != nil && ctx.Err() == nil {
		if s.err == nil {
			log.Error("the canary can't be run or published, trying again", zap.Error(err))
		}
		s.err, s.due = err, time.Now().Add(canaryRetry)
	}
	r.book.set(tool.Name, s)
}

// wait is a tenth more or less than the interval, at random: tools aren't all asked for at once.
func (r *canaryRunner) wait() time.Duration {
	return r.every*9/10 + rand.N(r.every/5)
}

// chainID tells apart handlers whose requests to tools differ, by all that they differ in.
func chainID(texts ...string) string {
	hash := sha256.New()
	for _, text := range texts {
		fmt.Fprintf(hash, "%d %s ", len(text), text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
