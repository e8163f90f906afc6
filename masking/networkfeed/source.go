package networkfeed

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/internal/followed"
	"github.com/wikiveil/wikiveil/internal/publicnet"
	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/masking/networklist"
)

// Why a list was refused, beside what networklist has for it.
var (
	errShrunken    = errors.New("the list has suddenly shrunken")
	errCut         = errors.New("the list may be cut off")
	errUnreachable = errors.New("the list can't be had")
)

// Reason is a word for why a list was refused, for metrics.
func Reason(err error) string {
	var blocked *publicnet.BlockedError
	for _, r := range []struct {
		is   bool
		word string
	}{
		{errors.As(err, &blocked), "blocked"},
		{errors.Is(err, networklist.ErrEmpty), "empty"},
		{errors.Is(err, networklist.ErrHTML), "html"},
		{errors.Is(err, networklist.ErrTooLong), "too_long"},
		{errors.Is(err, errShrunken), "shrunken"},
		{errors.Is(err, errCut) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, followed.ErrChanging), "cut"},
		{errors.Is(err, errUnreachable) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*fs.PathError)), "unreachable"},
	} {
		if r.is {
			return r.word
		}
	}
	return "unreadable"
}

// source is one list with the last good content of it.
type source struct {
	Source
	set     *Set
	network int // index
	doc     *shareddoc.Doc[snapshot]
	good    atomic.Pointer[snapshot] // nil: there never was one
	// confirmed is when the good one was written, or last fetched or found unchanged.
	confirmed atomic.Pointer[time.Time]

	mu     sync.Mutex // guards what follows
	file   followed.File
	client *http.Client // nil: a file
	due    time.Time    // when the next fetch is
	saved  *snapshot    // that the storage has
	err    error        // why the present content isn't in use

	saveErr error
}

func newSource(set *Set, network int, from Source) *source {
	src := &source{Source: from, set: set, network: network}
	name := set.config.Networks[network].Name
	sum := sha256.Sum256([]byte(from.From + "\x00" + string(from.Format)))
	src.doc = shareddoc.New(set.config.Storage, fmt.Sprintf("wikiveil/networks/%s-%x.json", name, sum[:8]), form)
	if IsURL(from.From) {
		src.client = newClient(from.Loopback)
	}
	src.file = followed.File{Path: from.From, Most: networklist.MaxSize}
	return src
}

// IsURL tells an address of the web from a path.
func IsURL(from string) bool { return strings.Contains(from, "://") }

// list says how it is read.
func (src *source) list() networklist.List {
	return networklist.List{Format: src.Format, Network: src.set.config.Networks[src.network].Name, Fetched: src.client != nil}
}

// open takes what was stored, and then the file. It writes nothing.
func (src *source) open(ctx context.Context) error {
	readErr := src.doc.Read(ctx)
	if stored := src.doc.Get(); readErr == nil && stored.Ranges > 0 {
		src.doc.Shed()
		src.good.Store(&stored)
		src.confirmed.Store(&stored.Time)
		src.saved = &stored
		src.due = stored.Time.Add(src.wait())
	}
	if src.client != nil {
		if src.good.Load() == nil && readErr != nil {
			src.tell(fmt.Errorf("reading the last good list: %w", readErr))
		}
		return nil
	}
	_, err := src.look()
	src.tell(err)
	if err != nil && src.good.Load() == nil {
		return fmt.Errorf("%w; put a good list there, or take the source out to go without", errors.Join(err, readErr))
	}
	return nil
}

func (src *source) follow(ctx context.Context) {
	if err := src.refresh(ctx); err != nil && ctx.Err() != nil {
		return
	}
	followed.Every(ctx, src.set.config.Poll, src.refresh, nil) // what is wrong is logged
}

// refresh looks whether there is a new list, and keeps it for the next start.
func (src *source) refresh(ctx context.Context) (err error) {
	if !src.mu.TryLock() {
		return nil // the config before, or the next one, is at it
	}
	defer src.mu.Unlock()
	if src.client == nil {
		var fresh bool
		if fresh, err = src.look(); err == nil && !fresh {
			err = src.err // as before
		}
	} else if now := time.Now(); now.Before(src.due) {
		err = src.err
	} else {
		err = src.fetch(ctx)
		wait := src.wait()
		if err != nil {
			wait = min(wait, time.Minute)
		}
		src.due = now.Add(wait)
	}
	if ctx.Err() == nil {
		src.tell(err)
	}
	saveErr := src.save(ctx)
	if saveErr != nil && src.saveErr == nil && ctx.Err() == nil {
		src.set.config.Log.Error("the last good list of a network can't be stored: the next start may be without it", "from", src.name(), "error", saveErr)
	}
	src.saveErr = saveErr
	return err
}

// wait is how long it is to the next fetch, a tenth more or less: many edges are not to ask at once.
func (src *source) wait() time.Duration {
	refresh := src.set.config.Networks[src.network].Refresh
	if refresh == 0 {
		refresh = DefaultRefresh
	}
	return time.Duration(float64(refresh) * (0.9 + 0.2*rand.Float64()))
}

// look reads the file if it may have changed.
func (src *source) look() (fresh bool, err error) {
	var list *snapshot
	fresh, err = src.file.Stream(func(from io.Reader) error {
		var err error
		list, err = read(src.list(), from)
		return err
	})
	if err != nil || !fresh {
		return fresh, err
	}
	written := time.Now()
	if info, err := os.Stat(src.From); err == nil {
		written = info.ModTime()
	}
	list.From, list.Time = src.From, written
	if good := src.good.Load(); good == nil || !good.same(list) {
		err = src.set.take(src, list)
	}
	if err == nil {
		src.confirmed.Store(&written)
	}
	return true, err
}

// same reports whether two lists have the same ranges.
func (s *snapshot) same(o *snapshot) bool {
	return s.Ranges == o.Ranges && string(s.Lines) == string(o.Lines)
}

// save stores the list in use, unless it is stored.
func (src *source) save(ctx context.Context) error {
	good := src.good.Load()
	if good == nil || good == src.saved {
		return nil
	}
	err := src.doc.Update(ctx, func(snapshot) (snapshot, error) { return *good, nil })
	src.doc.Shed()
	if err == nil {
		src.saved = good
	}
	return err
}

// tell logs and counts what is new: another error, or that it is over.
func (src *source) tell(err error) {
	before := src.err
	src.err = err
	name := src.set.config.Networks[src.network].Name
	switch {
	case err == nil && before != nil:
		src.set.config.Log.Info("the list of a network is good again", "network", name, "from", src.name())
	case err == nil, before != nil && before.Error() == err.Error():
	default:
		src.set.counting.Lock()
		src.set.refused[Refused{name, Reason(err)}]++
		src.set.counting.Unlock()
		if src.good.Load() == nil {
			src.set.config.Log.Error("there is NO list of a network: blocks of it don't hold until there is", "network", name, "from", src.name(), "reason", Reason(err), "error", err)
		} else {
			src.set.config.Log.Error("the list of a network is refused; the last good one stays in use", "network", name, "from", src.name(), "reason", Reason(err), "error", err)
		}
	}
}
