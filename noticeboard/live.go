package noticeboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/internal/followed"
)

// LiveConfig says what a [Live] board shows.
type LiveConfig struct {
	// Tools are the tools of the configuration. Default: none.
	Tools []*Tool

	// File is the path of a file of tools that is followed; see [Parse]. Names
	// must differ from those of Tools. Default: none.
	File string

	// State is what nodes share; [OpenState]. Required.
	State *State

	// OnStops is told of each tool for which the kill switch says something else than
	// before, right after that holds, and of those that it stops at the start. It
	// must not call the board. Default: nobody is.
	OnStops func(tool string)
}

// Live is a board that follows its file and the shared state, and knows which
// tools may be used now. It is safe for concurrent use, and a look-up takes no
// lock. The revision of each declaration that [Live.Publish] hasn't taken note
// of is unknown, so such a tool can't be used.
type Live struct {
	configured []declaration
	source     *source // nil without a file
	state      *State
	onStops    func(tool string) // may be nil
	followed   []declaration     // of the file; the source's mutex is around it

	mu          sync.Mutex // around what follows, never held over the storage
	unpublished bool       // the board has changed since it was published
	current     atomic.Pointer[liveView]
	stateErr    error
	leftOut     []error // entries of the file
}

// liveView is a board under a state. It never changes.
type liveView struct {
	declared *Board            // as written
	contents map[string]string // of the declarations, by name
	state    *stateView
	entries  map[string]*liveEntry
	board    *Board // as it stands, with counted revisions
}

type liveEntry struct {
	Entry
	agreed  uint64 // the number in Consent
	counted bool   // the revision is known
	stops   []Stop
}

// Entry is a tool as it stands on a live board.
type Entry struct {
	Tool *Tool  // with its counted revision; shared, so don't change it
	Hash string // of the declaration, see [Tool.Hash]
	// Consent is what readers' consents are bound to, see [Tool.ConsentHash].
	Consent string
}

// NewLive reads the file and checks all declarations. Nothing is written yet:
// call [Live.Publish] when the board goes into use, and run [Live.Follow].
func NewLive(cfg LiveConfig) (*Live, error) {
	if cfg.State == nil {
		return nil, errors.New("making a live noticeboard: it needs a state")
	}
	l := &Live{configured: configured(cfg.Tools), state: cfg.State, onStops: cfg.OnStops}
	var err error
	if cfg.File == "" {
		err = l.use(nil, nil)
	} else {
		l.source = &source{file: followed.File{Path: cfg.File, Most: maxFile}}
		_, err = l.source.refresh(l.use)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// use puts the file's declarations in place, next to the configuration's. Entries that can't be
// used, or repeat a name or what another leads to the proxy, are left out; what an entry of that name said before goes on to hold.
func (l *Live) use(list []declaration, bad []badEntry) error {
	list, repeated := withoutRepeats(l.configured, list)
	var leftOut []error
	for _, entry := range bad {
		leftOut = append(leftOut, entry.err)
		same := func(d declaration) bool { return d.tool.Name == entry.name }
		if i := slices.IndexFunc(l.followed, same); i >= 0 && !slices.ContainsFunc(list, same) {
			list = append(list, l.followed[i])
		}
	}
	list, shared := withoutSharedAddresses(l.configured, list, l.followed)
	board, err := newBoard(append(l.configured[:len(l.configured):len(l.configured)], list...))
	if err != nil {
		return err
	}
	l.followed = list
	contents := make(map[string]string, len(board.tools))
	for tool := range board.All() {
		contents[tool.Name] = tool.content()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unpublished, l.leftOut = true, slices.Concat(leftOut, repeated, shared)
	l.build(board, contents, l.state.current.Load())
	return nil
}

// build makes the current view. The caller holds l.mu.
func (l *Live) build(board *Board, contents map[string]string, state *stateView) *liveView {
	before := l.current.Load()
	if before == nil {
		before = new(liveView)
	}
	v := &liveView{declared: board, contents: contents, state: state, entries: make(map[string]*liveEntry, len(board.tools))}
	v.board = &Board{pending: board.pending, byName: make(map[string]*Tool, len(board.tools))}
	same := board == before.declared
	for tool := range board.All() {
		name := tool.Name
		e := &liveEntry{stops: state.stops[name]}
		old := before.entries[name]
		unchanged := old != nil && before.contents[name] == contents[name]
		known, had := state.body.Tools[name]
		switch {
		case had && known.Content == contents[name]:
			e.counted = true
		case unchanged && old.counted:
			// Another node has another declaration; ours holds here as it was.
			e.counted, known = true, record{Revision: old.Tool.Revision, Agreed: old.agreed}
		default:
			known = record{Revision: tool.Revision}
		}
		e.agreed = known.agreed()
		if unchanged && old.Tool.Revision == known.Revision && old.agreed == e.agreed {
			e.Entry = old.Entry
		} else {
			own := tool.withRevision(known.Revision)
			e.Entry, same = Entry{own, own.Hash(), own.ConsentHash(e.agreed)}, false
		}
		v.entries[name] = e
		v.board.tools = append(v.board.tools, e.Tool)
		v.board.byName[name] = e.Tool
	}
	if same { // who keeps something for each board sees that it can be kept
		v.board = before.board
	}
	l.current.Store(v)
	if before.state != state {
		l.tellStops(before, v)
	}
	return v
}

// tellStops calls onStops for each tool whose stops have changed. The caller holds l.mu.
func (l *Live) tellStops(before, after *liveView) {
	if l.onStops == nil {
		return
	}
	var ended map[string]int
	if before.state != nil {
		ended = after.state.endedSince(before.state)
	}
	for name := range after.entries {
		var had []Stop
		if before.state != nil {
			had = before.state.stops[name]
		}
		if ended[name] > 0 || !slices.EqualFunc(had, after.state.stops[name], Stop.same) {
			l.onStops(name)
		}
	}
}

// endedSince counts the stops of each tool that ended after an earlier state: one may
// have begun since, too.
func (v *stateView) endedSince(before *stateView) map[string]int {
	news := v.body.Changes
	if old := before.body.Changes; len(old) > 0 { // the last of them is there still, or all are new
		news = news[slices.IndexFunc(news, old[len(old)-1].same)+1:]
	}
	ended := make(map[string]int)
	for _, c := range news {
		if c.Act == Enabled {
			ended[c.Tool]++
		}
	}
	return ended
}

// view returns the present view, built anew if the state is another.
func (l *Live) view() *liveView {
	v := l.current.Load()
	if v.state == l.state.current.Load() {
		return v
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	v = l.current.Load()
	if state := l.state.current.Load(); v.state != state {
		v = l.build(v.declared, v.contents, state)
	}
	return v
}

// Board returns the board as it is now, with all tools, usable or not. It is
// another pointer whenever a declaration has changed.
func (l *Live) Board() *Board { return l.view().board }

// Publish takes note of the declarations in the shared state: it counts the
// revisions of those that are new or changed, and logs what changed.
func (l *Live) Publish(ctx context.Context) error {
	l.mu.Lock()
	v := l.current.Load()
	l.mu.Unlock()
	err := l.state.update(ctx, func(b *stateBody) error {
		b.publish(v.declared, v.contents, time.Now())
		return nil
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stateErr = err
	if err != nil {
		return fmt.Errorf("publishing the noticeboard: %w", err)
	}
	if l.current.Load().declared == v.declared {
		l.unpublished = false
	}
	return nil
}

// Disable stops a tool or a path of it, as [State.Disable] does. k.Prefix may be
// an address at the tool too. The error is a [*refusal.Refusal] for an unknown tool.
func (l *Live) Disable(ctx context.Context, k Stop) error {
	tool, known := l.Board().Lookup(k.Tool)
	if !known {
		return errUnknown
	}
	var err error
	if k.Prefix, err = ParsePrefix(tool, k.Prefix); err != nil {
		return err
	}
	return l.state.Disable(ctx, k)
}

// Enable takes back what Disable did for the same tool and path.
func (l *Live) Enable(ctx context.Context, k Stop) error {
	if tool, known := l.Board().Lookup(k.Tool); known {
		var err error
		if k.Prefix, err = ParsePrefix(tool, k.Prefix); err != nil {
			return err
		}
		if len(l.state.current.Load().stops[k.Tool]) == 0 && tool.Disabled {
			return fmt.Errorf("%w, but in its declaration: change it there", ErrNotStopped)
		}
	}
	return l.state.Enable(ctx, k.Tool, k.Prefix, k.By, k.Why)
}

// Status tells how a live board fares, for metrics and the operator.
type Status struct {
	Tools, Pending int
	Loaded         time.Time // when the file's content that is in use was read
	FileErr        error     // why the file's present content isn't in use
	StateErr       error     // why the shared state can't be read or written
	LeftOut        []error   // what is wrong with entries of the file that are left out
}

// Status tells how the board fares.
func (l *Live) Status() Status {
	board := l.Board()
	s := Status{Tools: len(board.tools), Pending: len(board.pending)}
	s.Loaded, s.FileErr = l.source.status()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.StateErr, s.LeftOut = l.stateErr, l.leftOut
	return s
}
