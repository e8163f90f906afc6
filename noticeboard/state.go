package noticeboard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// StateKey is the storage key the state is kept under.
const StateKey = "wikiveil/noticeboard.json"

// storageTimeout bounds one exchange with the storage, its lock included.
const storageTimeout = 30 * time.Second

// Storage is where nodes share the state.
type Storage = shareddoc.Storage

// ErrThisNodeOnly: the kill switch acts, but the storage took no note of it.
var ErrThisNodeOnly = errors.New("disabled on this node only, until it stops or the storage works again")

// State is what nodes share of a noticeboard: the kill switch, the revisions of
// the declarations and the log of their changes. It is safe for concurrent use.
//
// Nodes that share it should have the same declarations. Where they differ, each
// node goes by its own, and consent lapses as nodes start.
type State struct {
	doc *shareddoc.Doc[stateBody]

	publishing sync.Mutex // guards what follows, never held over the storage
	unsaved    []Stop     // that the storage hasn't taken yet
	current    atomic.Pointer[stateView]
}

// stateView is the state as it was read. It never changes.
type stateView struct {
	body  stateBody
	stops map[string][]Stop // by tool, unsaved ones among them
}

// stateBody is what is stored.
type stateBody struct {
	Stops   []Stop            `json:"stops,omitempty"`
	Tools   map[string]record `json:"tools,omitempty"`
	Floor   uint64            `json:"floor,omitempty"` // revisions of removed tools go up to here
	Changes []Change          `json:"changes,omitempty"`
}

func (b stateBody) clone() stateBody {
	b.Stops, b.Changes = slices.Clone(b.Stops), slices.Clone(b.Changes)
	if b.Tools = maps.Clone(b.Tools); b.Tools == nil {
		b.Tools = make(map[string]record)
	}
	return b
}

func (b stateBody) check() error {
	for _, k := range b.Stops {
		if err := k.validate(); err != nil {
			return fmt.Errorf("a stop of a tool: %w", err)
		}
	}
	return nil
}

var stateForm = shareddoc.JSON(stateBody.check)

// OpenState reads the state. One that is not there yet is empty; nothing is written.
//
// The error is [shareddoc.ErrDamaged] for a state that is not of its form, or the storage's.
func OpenState(ctx context.Context, storage Storage) (*State, error) {
	s := new(State)
	s.show(stateBody{})
	form := stateForm
	form.Use = func(b stateBody) error {
		s.publishing.Lock()
		defer s.publishing.Unlock()
		s.show(b)
		return nil
	}
	s.doc = shareddoc.New(storage, StateKey, form)
	if err := s.Refresh(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Stops returns what is stopped by command, the oldest first.
func (s *State) Stops() []Stop {
	var all []Stop
	for _, stops := range s.current.Load().stops {
		all = append(all, stops...)
	}
	slices.SortFunc(all, byTime)
	return all
}

// Changes returns the log, the newest first.
func (s *State) Changes() []Change { return s.current.Load().changes() }

// Disable stops a tool or a path of it: on this node at once, whatever the
// storage does, and on others at their next poll. It holds until Enable, whatever
// becomes of the declaration.
//
// Errors: [ErrStopName], [ErrPrefix], [ErrBy], [ErrWhy], [ErrFull]; and
// [ErrThisNodeOnly] with the storage's where it acts but isn't stored.
func (s *State) Disable(ctx context.Context, k Stop) error {
	k.At = time.Now().UTC().Truncate(time.Second)
	if err := k.validate(); err != nil {
		return err
	}
	s.publishing.Lock()
	if full := len(s.unsaved) >= MaxStops || len(s.current.Load().body.Stops) >= MaxStops; full {
		s.publishing.Unlock()
		return ErrFull
	}
	s.unsaved = append(slices.DeleteFunc(s.unsaved, k.same), k)
	s.show(s.current.Load().body)
	s.publishing.Unlock()
	if err := s.update(ctx, func(*stateBody) error { return nil }); err != nil {
		return fmt.Errorf("%w: %w", ErrThisNodeOnly, err)
	}
	return nil
}

// Enable takes back what Disable did for the same tool and path; why is shown
// in public. Consents given before don't come back.
//
// Errors: [ErrNotStopped], [ErrBy], [ErrWhy], [shareddoc.ErrVanished], [shareddoc.ErrDamaged], the storage's.
func (s *State) Enable(ctx context.Context, name, prefix, by, why string) error {
	like := Stop{Tool: name, Prefix: prefix, By: by, Why: why}
	if err := like.validate(); err != nil {
		return err
	}
	return s.update(ctx, func(b *stateBody) error {
		before := len(b.Stops)
		b.Stops = slices.DeleteFunc(b.Stops, like.same)
		if len(b.Stops) == before {
			return ErrNotStopped
		}
		if r, known := b.Tools[name]; known { // who it was stopped for may have what readers agreed to give
			r.Agreed = r.last() + 1
			b.Tools[name] = r
		}
		b.log(Change{At: time.Now(), Tool: name, Act: Enabled, Prefix: prefix, By: by, Why: why})
		return nil
	})
}

// Refresh reads what other nodes have changed, and stores what could not be
// stored before. Where it fails, the state stays as it is.
func (s *State) Refresh(ctx context.Context) error {
	s.publishing.Lock()
	late := len(s.unsaved) > 0
	s.publishing.Unlock()
	if late {
		return s.update(ctx, func(*stateBody) error { return nil })
	}
	return s.doc.Read(ctx)
}

// update changes the stored state, together with what it hasn't taken yet.
func (s *State) update(ctx context.Context, change func(*stateBody) error) error {
	var late []Stop
	err := s.doc.Update(ctx, func(b stateBody) (stateBody, error) {
		s.publishing.Lock()
		late = slices.Clone(s.unsaved)
		s.publishing.Unlock()
		b = b.clone()
		for _, k := range late {
			b.Stops = append(slices.DeleteFunc(b.Stops, k.same), k)
			b.log(Change{At: k.At, Tool: k.Tool, Act: Disabled, Prefix: k.Prefix, By: k.By, Why: k.Why})
		}
		err := change(&b)
		return b, err
	})
	if err != nil {
		return err
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.unsaved = slices.DeleteFunc(s.unsaved, func(k Stop) bool { return slices.Contains(late, k) })
	s.show(s.current.Load().body)
	return nil
}

// show makes a state the current one, with what isn't stored yet. The caller holds s.publishing.
func (s *State) show(b stateBody) {
	v := &stateView{b, make(map[string][]Stop)}
	for _, k := range slices.Concat(b.Stops, s.unsaved) {
		v.stops[k.Tool] = append(slices.DeleteFunc(v.stops[k.Tool], k.same), k)
	}
	s.current.Store(v)
}

func byTime(a, b Stop) int { return a.At.Compare(b.At) }
