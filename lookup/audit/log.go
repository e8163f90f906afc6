package audit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultRetention is how long entries are kept unless configured.
const DefaultRetention = 365 * 24 * time.Hour

const (
	// minRetention: what was written today must be known to be written once.
	minRetention = 24 * time.Hour
	// maxBatch bounds how many entries one commit has to carry.
	maxBatch = 512
)

// Config says where and how a log is kept.
type Config struct {
	Store Store
	Keys  *Keys
	// Heads hold the log's newest head outside of its file.
	Heads Heads
	// Node is this node's name, of A-Z, a-z, 0-9, '.', '_' and '-'.
	Node string
	// Retention is how long entries are kept, a day at least; 0 means [DefaultRetention].
	Retention time.Duration
	// Passed is the latest time that has passed for sure: entries are deleted by it. nil means the machine's clock.
	Passed func() time.Time
	// Report, if not nil, is told of failures to delete what is too old and to store heads. It is
	// called from the log's own goroutines.
	Report func(error)

	accept bool // go on from a loss: see AcceptLoss
}

// A Log is an open log. It is safe for concurrent use.
type Log struct {
	config   Config
	appends  chan *request
	tasks    chan func()
	quit     chan struct{}
	done     chan struct{}
	shutdown sync.Once

	current   atomic.Pointer[state] // what is on disk
	retention atomic.Int64          // a time.Duration
	anchor    anchor
	loss      string // what is lost, where that is accepted

	proving  sync.Mutex
	subtrees *subtrees // up to the checkpoint published last

	// Of the goroutine alone:
	stored    []byte // the state's encoding
	uncertain bool   // a write failed since
	repeats   repeats
}

// A Receipt tells where an entry stands.
type Receipt struct {
	Sequence uint64
	Time     time.Time
	// Repeated: the entry was written before, today.
	Repeated bool
	// Head is a reveal's proof for who made it: a checkpoint with the entry, which is stored outside
	// of the log's file, too.
	Head Checkpoint
}

// request is an entry that waits to be written.
type request struct {
	ctx    context.Context
	entry  Entry
	answer chan answer
}

type answer struct {
	receipt Receipt
	err     error
}

// Open verifies the log in a store, which takes about a second for a million entries,
// and makes it ready to be appended to. It does not decrypt entries of days past; [Verify] does.
// A log that doesn't go on from its head is refused.
//
// The log owns the store from then on; after an error the caller still does.
// Errors: [ErrDamaged], [ErrTampered], [ErrWrongKeys].
func Open(c Config) (*Log, error) {
	if c.Store == nil || c.Keys == nil || c.Heads == nil {
		return nil, errors.New("opening the audit log: store, keys and heads are needed")
	}
	if !nodeName.MatchString(c.Node) {
		return nil, fmt.Errorf("opening the audit log: %w", errNode)
	}
	if c.Passed == nil {
		c.Passed = time.Now
	}
	if c.Report == nil {
		c.Report = func(error) {}
	}
	l := &Log{config: c, appends: make(chan *request), tasks: make(chan func()),
		quit: make(chan struct{}), done: make(chan struct{}), anchor: newAnchor()}
	if err := l.SetRetention(c.Retention); err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	if err := l.load(time.Now()); err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	go l.run()
	go l.runAnchor()
	l.anchorSoon()
	return l, nil
}

// SetRetention changes how long entries are kept, a day at least; 0 means [DefaultRetention].
func (l *Log) SetRetention(d time.Duration) error {
	if d == 0 {
		d = DefaultRetention
	}
	if d < minRetention {
		return fmt.Errorf("a retention of %v is shorter than a day", d)
	}
	l.retention.Store(int64(d))
	return nil
}

// load reads and verifies what the store holds, or begins a new log.
func (l *Log) load(now time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), headTimeout)
	defer cancel()
	l.repeats.reset(now)
	head, headErr := l.loadHead(ctx)
	fresh := false
	err := l.config.Store.View(0, func(data []byte, records iter.Seq2[uint64, []byte]) error {
		if fresh = data == nil; fresh {
			for n := range records {
				return &TamperError{Sequence: n, What: "the log is new and can't have it"}
			}
			return l.unlessAccepted(cmp.Or(headErr, checkHead(head, nil, nil)))
		}
		return l.loadState(data, records, head, headErr)
	})
	if err != nil {
		return err
	}
	if !fresh {
		if head != nil && !l.anchor.force {
			l.anchor.stored = *head
		}
		return nil
	}
	return l.begin(ctx)
}

// begin makes a new log: first its head, without which no file is taken.
func (l *Log) begin(ctx context.Context) error {
	s := newState(l.config.Node, l.config.Keys.Public())
	head := s.checkpoint(s.chain)
	head.Time = time.Now()
	head = head.signed(l.config.Keys)
	if !l.anchor.force { // then the one there goes when the loss is in the log
		if err := l.config.Heads.Store(ctx, head); err != nil {
			return err
		}
		l.anchor.stored = head
	}
	return l.store(s, func(data []byte) error { return l.config.Store.Append(1, nil, data) })
}

func (l *Log) loadState(data []byte, records iter.Seq2[uint64, []byte], head *Checkpoint, headErr error) error {
	s, err := decodeState(data)
	if err != nil {
		return err
	}
	if !s.public.Equal(l.config.Keys.Public()) {
		return fmt.Errorf("%w: restore %s in the storage from a backup, or move the log away to begin a new one", ErrWrongKeys, KeysKey)
	}
	if s.id.node != l.config.Node {
		return fmt.Errorf("it is the log of node %s, not %s: each node has a log of its own", s.id.node, l.config.Node)
	}
	if err := checkOwn(s); err != nil {
		return err
	}
	var there *chain // where the head was
	pass := func(at chain) {
		if head != nil && head.Entries == at.entries {
			there = &at
		}
	}
	pass(s.start())
	err = walk(s, records, func(r record, at chain) error {
		pass(at)
		if !l.repeats.current(r.time) {
			return nil
		}
		e, err := l.config.Keys.decrypt(s.id, r)
		if err != nil {
			return &TamperError{Sequence: r.sequence, What: err.Error()}
		}
		l.repeats.add(e, Receipt{Sequence: at.entries, Time: r.time})
		return nil
	})
	if err == nil {
		err = l.unlessAccepted(cmp.Or(headErr, checkHead(head, &s, there)))
	}
	if err != nil {
		return err
	}
	l.stored = bytes.Clone(data)
	l.current.Store(&s)
	return nil
}

// unlessAccepted returns an error about the head unless the loss that it tells of is accepted.
func (l *Log) unlessAccepted(err error) error {
	lost, ok := errors.AsType[*headError](err)
	if !ok || !l.config.accept {
		return err
	}
	l.loss, l.anchor.force = lost.loss, true
	return nil
}

// Append writes an entry and returns when it is on disk, and for a reveal when the head with it is
// stored outside of the file as well. Entries of several callers share a commit. Where it returns an
// error the action must be refused; the entry may then be in the log nevertheless.
//
// Errors: those of [Entry.Validate], of the context, of the disk, [ErrHead], [ErrFailed], [ErrClosed].
func (l *Log) Append(ctx context.Context, e Entry) (Receipt, error) {
	receipt, err := l.append(ctx, e)
	if err != nil {
		return Receipt{}, fmt.Errorf("appending to the audit log: %w", err)
	}
	return receipt, nil
}

func (l *Log) append(ctx context.Context, e Entry) (receipt Receipt, err error) {
	if err := e.Validate(); err != nil {
		return receipt, err
	}
	e.Masks = maskSet(e.Masks)
	req := &request{ctx: ctx, entry: e, answer: make(chan answer, 1)}
	if err := hand(ctx, l, l.appends, req); err != nil {
		return receipt, err
	}
	select {
	case a := <-req.answer:
		if receipt, err = a.receipt, a.err; err != nil {
			return receipt, err
		}
	case <-ctx.Done():
		return receipt, ctx.Err()
	}
	if !e.Action.anchored() {
		l.anchorSoon()
		return receipt, nil
	}
	receipt.Head, err = l.anchorNow(ctx)
	return receipt, err
}

// hand gives one of the log's goroutines what is to be done.
func hand[T any](ctx context.Context, l *Log, to chan<- T, what T) error {
	select {
	case to <- what:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.quit:
		return ErrClosed
	}
}

// run does all writing, one commit at a time, until the log is closed.
func (l *Log) run() {
	defer close(l.done)
	old := time.NewTicker(pruneEvery)
	defer old.Stop()
	l.pruneAll()
	for {
		select {
		case req := <-l.appends:
			l.commit(gather(req, l.appends))
		case task := <-l.tasks:
			task()
		case <-old.C:
			l.pruneAll()
		case <-l.quit:
			return
		}
	}
}

// gather takes all that wait already, so that they share a commit or a head.
func gather[T any](first T, queue <-chan T) []T {
	batch := []T{first}
	for len(batch) < maxBatch {
		select {
		case next := <-queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// do runs a task on the log's goroutine, where nothing else writes meanwhile.
func (l *Log) do(ctx context.Context, task func() error) error {
	result := make(chan error, 1)
	if err := hand(ctx, l, l.tasks, func() { result <- task() }); err != nil {
		return err
	}
	return <-result
}

// Close ends writing, stores the last head and closes the store. It waits for the commit under way.
func (l *Log) Close() error {
	var err error
	l.shutdown.Do(func() {
		close(l.quit)
		<-l.done
		select {
		case <-l.anchor.done:
		case <-time.After(headTimeout): // a storage that hangs in spite of its context
		}
		err = l.config.Store.Close()
	})
	return err
}
