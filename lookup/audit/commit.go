package audit

import (
	"bytes"
	"fmt"
	"time"
)

// commit writes a batch of entries in one transaction and returns the result to each.
func (l *Log) commit(batch []*request) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	l.repeats.turn(now)
	b := &batchBuilder{log: l, now: now, state: *l.current.Load(), added: make(map[Hash]Receipt)}
	b.first = b.state.entries + 1
	for _, req := range batch {
		b.add(req)
	}
	var err error
	if len(b.records) > 0 {
		err = l.store(b.state, func(data []byte) error { return l.config.Store.Append(b.first, b.records, data) })
	}
	for _, w := range b.waiting {
		if err != nil {
			w.answer <- answer{err: err}
			continue
		}
		w.answer <- answer{receipt: w.receipt}
	}
	if err == nil {
		l.repeats.addAll(b.added)
	}
}

// batchBuilder puts the records of one commit together.
type batchBuilder struct {
	log     *Log
	now     time.Time
	first   uint64
	state   state // with the batch
	records [][]byte
	added   map[Hash]Receipt
	waiting []waiting // for the commit
}

type waiting struct {
	*request
	receipt Receipt
}

func (b *batchBuilder) add(req *request) {
	if err := req.ctx.Err(); err != nil {
		req.answer <- answer{err: err} // nobody waits any more
		return
	}
	key, repeats := repeatKey(req.entry), req.entry.Action.repeats()
	if repeats {
		if receipt, ok := b.log.repeats.seen[key]; ok {
			receipt.Repeated = true
			req.answer <- answer{receipt: receipt}
			return
		}
		// One of this very batch must be on disk before its repetition is answered.
		if receipt, ok := b.added[key]; ok {
			receipt.Repeated = true
			b.waiting = append(b.waiting, waiting{req, receipt})
			return
		}
	}
	r := record{sequence: b.state.entries + 1, time: b.now, action: req.entry.Action, previous: b.state.last}
	r.sealed = b.log.config.Keys.encrypt(b.state.id, r, req.entry)
	encoded := r.encode()
	b.records = append(b.records, encoded)
	b.state.chain = b.state.extend(r.action, encoded, nil)
	receipt := Receipt{Sequence: r.sequence, Time: r.time}
	if repeats {
		b.added[key] = receipt
	}
	b.waiting = append(b.waiting, waiting{req, receipt})
}

// store writes a new state by write. After a failure it makes sure, before the next
// write, that the disk still holds the state before. If the failed write shows in the
// file after all, nobody can tell whether it would survive a loss of power.
func (l *Log) store(s state, write func(data []byte) error) error {
	if l.uncertain {
		data, err := l.config.Store.Load()
		if err != nil {
			return fmt.Errorf("reading the state after a failed write: %w", err)
		}
		if !bytes.Equal(data, l.stored) {
			return ErrFailed
		}
		l.uncertain = false
	}
	data := s.encode(l.config.Keys)
	if err := write(data); err != nil {
		l.uncertain = true
		return err
	}
	l.stored = data
	l.current.Store(&s)
	return nil
}
