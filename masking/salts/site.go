package salts

import (
	"context"
	"net/netip"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

// A Site has the salts of one site label's clients. It is safe for concurrent use.
type Site struct {
	*Salts
	label    string
	v6Prefix int
	epochs   []*epochKeys // the one in use first
}

// Site returns the salts of a label under the active epochs, the one in use first.
func (s *Salts) Site(epochs []masking.Epoch, label string, v6Prefix int) (*Site, error) {
	site := &Site{Salts: s, label: label, v6Prefix: v6Prefix}
	for _, e := range epochs {
		keys, err := newEpochKeys(e, label, v6Prefix)
		if err != nil {
			return nil, err
		}
		site.epochs = append(site.epochs, keys)
	}
	return site, nil
}

// keys are where an address's salts are, by epoch.
func (s *Site) keys(addr netip.Addr) (keys []string, err error) {
	bits := addr.BitLen()
	if addr.Is6() && !masking.IsCircuit(addr) { // each circuit is a client
		bits = s.v6Prefix
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return nil, err
	}
	of, err := prefix.MarshalBinary()
	if err != nil {
		return nil, err
	}
	for _, epoch := range s.epochs {
		keys = append(keys, epoch.key("client", []byte(s.label), of))
	}
	return keys, nil
}

// Of returns the salts of a client by epoch, for [masking.Who], and makes the one of the epoch in use if there is none. Where the
// client publishes something, that one is durable when Of returns, and the idle time begins anew.
func (s *Site) Of(ctx context.Context, addr netip.Addr, publishes bool) ([][]byte, error) {
	addr = addr.Unmap().WithZone("")
	keys, err := s.keys(addr)
	if err != nil {
		return nil, err
	}
	found, err := s.find(ctx, keys, s.Shared && publishes)
	if err != nil {
		return nil, err
	}
	salts := make([][]byte, len(keys))
	for i, key := range keys {
		e, there := found[key]
		switch {
		case !there && i > 0:
			continue
		case publishes && (e.read.IsZero() || day(e.edited) != day(s.Now())):
			e, err = s.edit(ctx, i, key, addr, e)
		case !there && s.Shared:
			e, err = s.update(ctx, i, key, addr, e, false)
		case !there:
			e, err = s.begin(i, key, addr)
		}
		if err != nil {
			return nil, err
		}
		salts[i] = e.salt[:]
	}
	return salts, nil
}

func day(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// find returns what is kept under keys. With ask nothing is taken from memory.
func (s *Site) find(ctx context.Context, keys []string, ask bool) (map[string]entry, error) {
	found, now, passed := make(map[string]entry, len(keys)), s.Now(), s.Passed()
	var missing []string
	for _, key := range keys {
		e, known := s.recent.Get(key)
		if known && !ask && !e.ended(passed) && (!s.Shared || now.Sub(e.read) < Fresh) {
			found[key] = e
		} else {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	values, err := s.Store.Get(ctx, missing...)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		value, there := values[key]
		if !there {
			continue
		}
		e, err := s.epochs[i].decode(key, value)
		if err != nil {
			return nil, err
		}
		if !e.ended(passed) {
			found[key] = s.remember(i, key, e, s.lastMask(key))
		}
	}
	return found, nil
}

// lastMask is the mask that is remembered of a client.
func (s *Site) lastMask(key string) netip.Addr {
	e, _ := s.recent.Peek(key)
	return e.mask
}

// remember keeps in memory what the store has.
func (s *Site) remember(epoch int, key string, e entry, mask netip.Addr) entry {
	e.epoch, e.mask, e.read = s.epochs[epoch], mask, s.Now()
	s.recent.Add(key, e)
	return e
}

// begin makes a reader's salt, in memory alone.
func (s *Site) begin(epoch int, key string, addr netip.Addr) (entry, error) {
	now := s.Now()
	e := entry{salt: newSalt(), since: now, until: now.Add(s.life(false)), epoch: s.epochs[epoch]}
	var err error
	if e.mask, err = e.epoch.masker.Salted(e.salt[:], addr); err != nil {
		return entry{}, err
	}
	if known, there, _ := s.recent.PeekOrAdd(key, e); there {
		if !known.ended(s.Passed()) {
			return known, nil
		}
		s.recent.Add(key, e)
	}
	return e, nil
}

// edit notes that a client publishes something, and where its mask leads to its salt.
func (s *Site) edit(ctx context.Context, epoch int, key string, addr netip.Addr, have entry) (entry, error) {
	if have.read.IsZero() { // it isn't in the store
		if err := s.bound.take(s.Now(), addr); err != nil {
			return entry{}, err
		}
	}
	e, err := s.update(ctx, epoch, key, addr, have, true)
	if err != nil {
		return entry{}, err
	}
	return e, s.point(ctx, e, key, e.until)
}

// point has a client's mask lead to its salt, as long as that lasts.
func (s *Site) point(ctx context.Context, e entry, key string, until time.Time) error {
	at := e.epoch.keyOfMask(e.mask)
	return s.Store.Update(ctx, at, until, func([]byte) ([]byte, error) { return e.epoch.seal(at, []byte(key)), nil })
}

// update puts an entry into the store, unless there is one already: that one is it then. An edit makes it last.
func (s *Site) update(ctx context.Context, epoch int, key string, addr netip.Addr, have entry, edits bool) (entry, error) {
	now, passed, k := s.Now(), s.Passed(), s.epochs[epoch]
	until := now.Add(s.life(edits))
	var e entry
	err := s.Store.Update(ctx, key, until, func(old []byte) ([]byte, error) {
		there := false
		if old != nil {
			kept, err := k.decode(key, old)
			if err != nil {
				return nil, err
			}
			e, there = kept, !kept.ended(passed)
		}
		switch {
		case there && !edits:
			return nil, nil
		case !there && have.since.IsZero():
			e = entry{salt: newSalt(), since: now}
		case !there:
			e = entry{salt: have.salt, since: have.since}
		}
		if e.until = until; edits {
			e.edited = time.Unix(day(now)*24*60*60, 0)
		}
		return k.encode(key, e), nil
	})
	if err != nil {
		return entry{}, err
	}
	mask, err := k.masker.Salted(e.salt[:], addr)
	if err != nil {
		return entry{}, err
	}
	return s.remember(epoch, key, e, mask), nil
}
