package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/note"

	"github.com/wikiveil/wikiveil/anonproxy/selfcheck"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/lookup/audit"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// runCanary is replaced in tests, as no proxy of ours fails.
var runCanary = selfcheck.Run

const (
	// canaryTick is how soon a declaration's change is noticed.
	canaryTick = 2 * time.Second
	// canaryShare is the part of the time in which canaries run that aren't urgent: after a start all tools' are due at once.
	canaryShare = 10
	// canaryRetry is how soon a canary that failed, or couldn't be run, runs again.
	canaryRetry = time.Minute

	// canaryDir is where transcripts are in the storage, transcriptSigner the name in their signatures.
	canaryDir        = "wikiveil/transcripts"
	transcriptSigner = "wikiveil-transcripts"
)

var canaryPath, _, _ = strings.Cut(selfcheck.Path, "?")

// canaryBooks are in use over config reloads, so that a tool which failed stays out of reach.
var canaryBooks = pool.New[*canaryBook]("canaries")

// canaryBook is what is known of tools' canaries, of all handlers whose requests are the same.
type canaryBook struct {
	storage   certmagic.Storage
	id        string                 // tells it from the other books in the storage
	running   sync.Mutex             // one canary at a time
	tools     sync.Map               // canaryStanding by tool
	publicKey atomic.Pointer[string] // nil until something was to be signed
}

// canaryStanding is how a tool's canary fares. It is never changed but replaced.
type canaryStanding struct {
	declaration string    // of the last run
	ran         time.Time // the last run that found something out; zero: none
	due         time.Time // the next run
	differences []string  // by which readers could be told apart
	err         error     // why the last run found nothing out
	chain       *selfcheck.Chain
	shown       *selfcheck.Published
}

func (b *canaryBook) standing(tool string) canaryStanding {
	s, _ := b.tools.Load(tool)
	standing, _ := s.(canaryStanding)
	return standing
}

// all are the standings of all tools that have a canary.
func (b *canaryBook) all(yield func(tool string, s canaryStanding) bool) {
	b.tools.Range(func(tool, s any) bool { return yield(tool.(string), s.(canaryStanding)) })
}

// chain opens a tool's transcripts. They are signed with the audit log's key, which is made where there is none.
func (b *canaryBook) chain(ctx context.Context, tool string) (*selfcheck.Chain, error) {
	keys, err := audit.OpenKeys(ctx, b.storage)
	if err != nil {
		return nil, err
	}
	signer, public, err := keys.Note(transcriptSigner)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, err
	}
	b.publicKey.Store(&public)
	return selfcheck.OpenChain(b.storage, canaryDir+"/"+b.id+"/"+tool+".json", signer, verifier, func(err error) {
		edge.Log().Error("the kept transcripts can't be used; their numbers begin at 1 again", zap.String("tool", tool), zap.Error(err))
	}), nil
}

// canaryRunner runs the canaries of a book while a config is in use.
type canaryRunner struct {
	*canaryBook
	handler *AnonProxy // one of those with the book
	every   time.Duration
}

// toolCanaries are an app's.
type toolCanaries struct {
	mu      sync.Mutex
	runners map[string]*canaryRunner // by what their books are pooled under
	ends    []func()                 // of those that have started
}

// openCanary returns the book for a handler, and sees that it is kept up to date once the app starts.
func (t *tools) openCanary(ctx caddy.Context, a *edge.App, h *AnonProxy) *canaryBook {
	storage := edge.StorageOf(ctx)
	// Handlers whose requests to tools differ have books of their own: by all that they differ in.
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", a.Site, h.pageOptions().Prefix, h.UserAgentContact))
	id := hex.EncodeToString(sum[:8])
	key := edge.StorageKey(storage) + " " + id
	c := &t.canaries
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.runners[key]; r != nil {
		r.every = min(r.every, h.Canary.every())
		return r.canaryBook
	}
	book, _ := canaryBooks.Acquire(a.Held(), key, func(*pool.Held) (*canaryBook, error) { // never an error
		return &canaryBook{storage: storage, id: id}, nil
	})
	if c.runners == nil {
		c.runners = make(map[string]*canaryRunner)
	}
	c.runners[key] = &canaryRunner{canaryBook: book, handler: h, every: h.Canary.every()}
	return book
}

func (c *toolCanaries) all() []*canaryRunner {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.runners))
}

func (c *toolCanaries) start() {
	for _, r := range c.all() {
		c.ends = append(c.ends, edge.InBackground(r.follow))
	}
}

func (c *toolCanaries) stop() {
	for _, end := range c.ends {
		end()
	}
	c.ends = nil
}

// follow runs the canaries that are due until ctx ends.
func (r *canaryRunner) follow(ctx context.Context) {
	for ctx.Err() == nil {
		pause := canaryTick
		if tool, declaration := r.next(); tool != nil {
			began := time.Now()
			r.run(ctx, tool, declaration)
			pause = min(canaryTick, (canaryShare-1)*time.Since(began))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// next returns the tool whose canary is to run now, of those that readers may use, or nil: one whose declaration has
// changed, else the one that has been due for longest.
func (r *canaryRunner) next() (tool *noticeboard.Tool, declaration string) {
	live := r.handler.app.Noticeboard().Live
	r.forgetGone(live.Board())
	due := time.Now()
	for _, l := range live.Listings(due) {
		if l.Hash == "" || !noticeboard.HasTranscript(l.Tool) {
			continue
		}
		s := r.standing(l.Tool.Name)
		changed := s.declaration != "" && s.declaration != l.Hash
		if !changed && !s.due.Before(due) {
			continue
		}
		if _, err := live.ForProxy(l.Tool.Name, canaryPath); err != nil {
			continue // readers can't either
		}
		if tool, declaration, due = l.Tool, l.Hash, s.due; changed {
			break
		}
	}
	return tool, declaration
}

// forgetGone forgets the tools that the board no longer has, or not for the proxy.
func (r *canaryRunner) forgetGone(board *noticeboard.Board) {
	for name := range r.canaryBook.all {
		if tool, ok := board.Lookup(name); !ok || !noticeboard.HasTranscript(tool) {
			r.tools.Delete(name)
		}
	}
}

// run runs a tool's canary now, and publishes what came of it.
func (r *canaryRunner) run(ctx context.Context, tool *noticeboard.Tool, declaration string) {
	r.running.Lock()
	defer r.running.Unlock()
	result, err := runCanary(ctx, selfcheck.Config{Tool: tool, Prefix: r.handler.pageOptions().Prefix, Proxy: r.handler.echoed(tool)})
	if ctx.Err() != nil {
		return
	}
	log := edge.Log().With(zap.String("tool", tool.Name))
	s := r.standing(tool.Name)
	before := s.err
	// At random, so that tools don't stay together for which a start, or the noticeboard's file, brought the first run:
	// the second comes at any time of the interval, later ones after a tenth more or less than that.
	s.due = time.Now().Add(r.every*9/10 + rand.N(r.every/5))
	if s.declaration != declaration {
		s.due = time.Now().Add(r.every/10 + rand.N(r.every*9/10))
	}
	s.declaration, s.err = declaration, err
	if err == nil {
		s.ran, s.differences = time.Now(), result.Differences
		if len(result.Differences) > 0 {
			log.Error("CANARY FAILED: the tool could tell readers apart by the edge's requests", zap.Strings("differences", result.Differences),
				zap.Bool("stopped", !r.handler.Canary.reportOnly()))
			s.due = time.Now().Add(canaryRetry)
		}
		r.tools.Store(tool.Name, s) // it holds, whether it can be published or not
		s.err = r.publish(ctx, tool, result, &s)
	}
	if s.err != nil && ctx.Err() == nil {
		if before == nil {
			log.Error("the canary can't be run or published, trying again", zap.Error(s.err))
		}
		s.due = time.Now().Add(canaryRetry)
	}
	r.tools.Store(tool.Name, s)
}

// publish makes a transcript of a run.
func (r *canaryRunner) publish(ctx context.Context, tool *noticeboard.Tool, result *selfcheck.Result, s *canaryStanding) (err error) {
	ctx, cancel := context.WithTimeout(ctx, edge.StorageTimeout)
	defer cancel()
	if s.chain == nil {
		if s.chain, err = r.chain(ctx, tool.Name); err != nil {
			return err
		}
	}
	app := r.handler.app
	t := &selfcheck.Transcript{
		Site: app.Site, Prefix: r.handler.pageOptions().Prefix,
		Tool: tool.Public(), Time: time.Now().UTC().Truncate(time.Second), Every: int64(r.every / time.Second),
		Edge: selfcheck.Edge{Version: edgeVersion(), Go: runtime.Version()}, Result: *result,
	}
	if app.Audit != nil {
		t.Edge.Node = app.Audit.Node // a host's name is not for everybody, unless it is given
	}
	shown, err := s.chain.Publish(ctx, t, r.every/2)
	if err == nil {
		s.shown = shown
	}
	return err
}

// edgeVersion names this build.
func edgeVersion() string {
	const module = "github.com/wikiveil/wikiveil"
	version := "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == module && m.Version != "" {
			version = m.Version
		}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Path == module {
			version += " " + s.Value
		}
	}
	return version
}
