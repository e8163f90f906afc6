package redisstore

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// Find returns all values of the keys, in two exchanges: who wrote to the parts, and what.
func (s *Store) Find(ctx context.Context, refs []sightings.Ref) ([]sightings.Entry, error) {
	if err := s.ready(ctx); err != nil || len(refs) == 0 {
		return nil, err
	}
	keys := make(map[sightings.Part][]sightings.Key)
	for _, ref := range refs {
		keys[ref.Part] = append(keys[ref.Part], ref.Key)
	}
	master, err := s.master(ctx)
	if err != nil {
		return nil, s.failure(err)
	}
	writers, err := s.writers(ctx, master, keys)
	if err != nil {
		return nil, s.failure(err)
	}
	pipe := master.Pipeline()
	answers := make(map[sightings.Part]*redis.SliceCmd, len(writers))
	for part, by := range writers {
		fields := make([]string, 0, len(keys[part])*len(by))
		for _, key := range keys[part] {
			for _, writer := range by {
				fields = append(fields, string(key[:])+writer)
			}
		}
		answers[part] = pipe.HMGet(ctx, s.partKey(part), fields...)
	}
	if len(answers) == 0 {
		return nil, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, s.failure(err)
	}
	var found []sightings.Entry
	for part, answer := range answers {
		for i, packed := range answer.Val() {
			if packed, ok := packed.(string); ok {
				ref := sightings.Ref{Part: part, Key: keys[part][i/len(writers[part])]}
				if found, err = unpackValues(found, ref, packed); err != nil {
					return nil, err
				}
			}
		}
	}
	return found, nil
}

// writers returns who wrote to the parts; those to which nobody did are left out.
func (s *Store) writers(ctx context.Context, master redis.Cmdable, parts map[sightings.Part][]sightings.Key) (map[sightings.Part][]string, error) {
	pipe := master.Pipeline()
	answers := make(map[sightings.Part]*redis.StringSliceCmd, len(parts))
	for part := range parts {
		answers[part] = pipe.SMembers(ctx, s.writersKey(part))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	writers := make(map[sightings.Part][]string, len(parts))
	for part, answer := range answers {
		if by := answer.Val(); len(by) > 0 {
			writers[part] = by
		}
	}
	return writers, nil
}

func unpackValues(to []sightings.Entry, ref sightings.Ref, packed string) ([]sightings.Entry, error) {
	for rest := []byte(packed); len(rest) > 0; {
		if len(rest) < lengthSize || len(rest) < lengthSize+int(binary.BigEndian.Uint16(rest)) {
			return nil, fmt.Errorf("%w: a value of %v is cut short", sightings.ErrDamaged, ref.Part)
		}
		end := lengthSize + int(binary.BigEndian.Uint16(rest))
		to = append(to, sightings.Entry{Ref: ref, Value: rest[lengthSize:end:end]})
		rest = rest[end:]
	}
	return to, nil
}
