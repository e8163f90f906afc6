package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/lookup/sightings"
)

const (
	writerSize = 6
	fieldSize  = sightings.KeySize + writerSize
	lengthSize = 2

	// commandSize is how many fields one command has: Redis serves nobody else meanwhile, about a millisecond.
	commandSize = 1000
)

// Append adds entries, nearly always in one exchange.
func (s *Store) Append(ctx context.Context, entries []sightings.Entry) error {
	if err := s.ready(ctx); err != nil || len(entries) == 0 {
		return err
	}
	for i, e := range entries {
		if len(e.Value) > sightings.MaxValue {
			return fmt.Errorf("a value of %d bytes is too long", len(e.Value))
		}
		if i == 0 || e.Part != entries[i-1].Part {
			if err := e.Part.Validate(); err != nil {
				return err
			}
		}
	}
	// Hand over hand: while one Append is under way the next is packed, and they go in this order.
	s.packing.Lock()
	fresh, repeated := s.divide(entries)
	s.writing.Lock()
	s.packing.Unlock()
	defer s.writing.Unlock()
	if err := s.write(ctx, fresh); err != nil {
		return s.failure(err)
	}
	merged, err := s.addToStored(ctx, repeated)
	if err != nil {
		return s.failure(err)
	}
	return s.failure(s.write(ctx, merged))
}

// A batch is what one command writes to a part.
type batch struct {
	part    sightings.Part
	text    []byte // fields and values by turns: thousands of small strings would keep the collector busy
	ends    []int  // of the values
	command []any
}

// divide packs the entries whose keys this process has surely not written yet, nearly all.
// Of those that are left it may have, if only a moment ago.
func (s *Store) divide(entries []sightings.Entry) (fresh []*batch, repeated map[sightings.Ref][]byte) {
	open := make(map[sightings.Part]*batch, 1)
	var b *batch
	for i, e := range entries {
		if s.written.add(e.Ref) {
			if repeated == nil {
				repeated = make(map[sightings.Ref][]byte)
			}
			repeated[e.Ref] = appendValue(repeated[e.Ref], e.Value)
			continue
		}
		if b == nil || b.part != e.Part {
			b = open[e.Part]
		}
		if b == nil || len(b.ends) == commandSize {
			most := min(len(entries)-i, commandSize)
			b = &batch{part: e.Part, text: make([]byte, 0, most*(fieldSize+lengthSize+len(e.Value))), ends: make([]int, 0, most)}
			open[e.Part] = b
			fresh = append(fresh, b)
		}
		b.text = append(append(b.text, e.Key[:]...), s.writer...)
		b.text = appendValue(b.text, e.Value)
		b.ends = append(b.ends, len(b.text))
	}
	s.finish(fresh)
	return fresh, repeated
}

func appendValue(to, value []byte) []byte {
	return append(append(to, byte(len(value)>>8), byte(len(value))), value...)
}

// addToStored puts what is stored in the fields before the new values.
func (s *Store) addToStored(ctx context.Context, repeated map[sightings.Ref][]byte) ([]*batch, error) {
	if len(repeated) == 0 {
		return nil, nil
	}
	master, err := s.master(ctx)
	if err != nil {
		return nil, err
	}
	pipe := master.Pipeline()
	answers := make(map[sightings.Ref]*redis.StringCmd, len(repeated))
	for ref := range repeated {
		answers[ref] = pipe.HGet(ctx, s.partKey(ref.Part), string(ref.Key[:])+s.writer)
	}
	// That a field isn't there is an "error" of its own command only.
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	var merged []*batch
	open := make(map[sightings.Part]*batch, 1)
	for ref, value := range repeated {
		stored, err := answers[ref].Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		b := open[ref.Part]
		if b == nil || len(b.ends) == commandSize {
			b = &batch{part: ref.Part}
			open[ref.Part] = b
			merged = append(merged, b)
		}
		b.text = append(append(b.text, ref.Key[:]...), s.writer...)
		b.text = append(append(b.text, stored...), value...)
		b.ends = append(b.ends, len(b.text))
	}
	s.finish(merged)
	return merged, nil
}

// write sends all batches at once, and WAIT behind them on the same connection.
func (s *Store) write(ctx context.Context, batches []*batch) error {
	if len(batches) == 0 {
		return nil
	}
	// A day longer than the recorder needs, which deletes by itself while it runs.
	life := s.config.Retention + 48*time.Hour
	master, err := s.master(ctx)
	if err != nil {
		return err
	}
	pipe := master.Pipeline()
	parts := make(map[sightings.Part]bool, 1)
	for _, b := range batches {
		if !parts[b.part] { // first, so that nothing is stored that no look-up asks for
			parts[b.part] = true
			pipe.SAdd(ctx, s.partsKey(), b.part.String())
			pipe.SAdd(ctx, s.writersKey(b.part), s.writer)
		}
		pipe.Do(ctx, b.command...)
	}
	for part := range parts {
		pipe.Expire(ctx, s.partKey(part), life)
		pipe.Expire(ctx, s.writersKey(part), life)
	}
	pipe.Expire(ctx, s.partsKey(), life)
	pipe.SetNX(ctx, s.markerKey(), rand.Text(), 0)
	marker := pipe.Get(ctx, s.markerKey())
	pipe.Expire(ctx, s.markerKey(), life)
	info := pipe.Info(ctx, "server")
	replicas := s.config.Redis.Replicas
	var waited *redis.Cmd
	if replicas > 0 {
		waited = pipe.Do(ctx, "WAIT", replicas, (s.timeout / 2).Milliseconds())
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	s.sawServer(info.Val())
	s.sawMarker(marker.Val())
	if waited != nil {
		if n, err := waited.Int(); err != nil {
			return err
		} else if n < replicas {
			return fmt.Errorf("only %d of %d replicas have the write", n, replicas)
		}
	}
	return nil
}

// finish makes the commands of full batches.
func (s *Store) finish(batches []*batch) {
	for _, b := range batches {
		text, start := string(b.text), 0
		pieces := make([]string, 0, 2*len(b.ends))
		for _, end := range b.ends {
			pieces = append(pieces, text[start:start+fieldSize], text[start+fieldSize:end])
			start = end
		}
		b.command = append(make([]any, 0, 2+len(pieces)), "HSET", s.partKey(b.part))
		for i := range pieces {
			b.command = append(b.command, &pieces[i])
		}
		b.text, b.ends = nil, nil
	}
}
