package sightings

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/masking"
)

// The small-network rule: what is told of a network's clients must lead from no address to a mask, and tell nobody's visits.
const (
	// RecentDays is of how many whole days clients are counted. Nothing is told of today, not even by how much there is to
	// go through: who adds clients of their own to find a count out has one try a day.
	RecentDays = 7
	// FewClients is the smallest count that is told.
	FewClients = 10
	// NamedFrom is how many holders of addresses a network has of which members are named.
	NamedFrom = 20
	// roundingPercent is how far a count may be off before it is put in a range, which is fixed for a network and a week.
	roundingPercent = 25
)

const (
	// MaxCandidates bounds [Population.Candidates].
	MaxCandidates = 200

	maxWalked   = 1 << 13 // networks on days that one look-up goes through
	maxPeople   = 1 << 14 // clients
	maxWalk     = 5 * time.Second
	findAtOnce  = 1 << 12 // so that Redis serves others in between
	firstMember = 16
)

// A Population is what may be told of the clients seen in a network.
type Population struct {
	// Clients and Published count the clients of the last [RecentDays] whole days, and those of them that sent what can
	// publish (an edit, a login, an upload), each as a range of [ClientRange]; as "at least" the least of the range, or "unknown",
	// where the look-up couldn't go through all of these days.
	Clients, Published string
	// Until is the last of these days.
	Until Day
	// Small is whether the network is too small for members to be named: too few holders, or one holder's alone.
	Small bool
	// Candidates are clients that sent what can publish before today, those lately seen to do so first. Name none of them of whom the
	// wiki doesn't show the mask anyway: most are people who are logged in.
	Candidates []netip.Addr
	// More is whether there are more than these, or more than one look-up goes through; of a small network it is not told.
	More bool
}

// ClientRange puts a number of clients in a range: "fewer than 10", "10 to 19", "20 to 39", and so on.
func ClientRange(n int) string {
	if n < FewClients {
		return fmt.Sprintf("fewer than %d", FewClients)
	}
	from := FewClients
	for n >= 2*from {
		from *= 2
	}
	return fmt.Sprintf("%d to %d", from, 2*from-1)
}

// Members tells of the clients seen in a network within the retention. Errors are those of [Recorder.LookAll].
func (b *Recorder) Members(ctx context.Context, network NetworkRecord) (Population, error) {
	var epoch masking.Epoch
	for _, e := range b.config.Epochs() {
		if e.ID() == network.Epoch {
			epoch = e
		}
	}
	if epoch.ID() == "" {
		return Population{}, &MaskError{network.Mask, ErrEpochDestroyed}
	}
	today := DayOf(b.now())
	round, err := newRounding(epoch, network.Mask, today)
	if err != nil {
		return Population{}, err
	}
	w := &walk{recorder: b, epoch: epoch, today: today, people: make(map[netip.Addr]*person),
		crowd: uint32(round.off("crowd", maxMembers*2/5)), end: time.Now().Add(maxWalk)}
	if err := w.from(ctx, network.Mask); err != nil {
		return Population{}, fmt.Errorf("looking for members: %w", err)
	}
	return w.population(network, round), nil
}

// person is a client in a network. The days are the last ones, 0 is none.
type person struct {
	holder          netip.Addr
	seen, published Day
}

// walk goes from a network through the narrower ones in it to their clients.
type walk struct {
	recorder *Recorder
	epoch    masking.Epoch
	today    Day
	people   map[netip.Addr]*person
	more     bool // there is more than was gone through
	// uncounted is whether there is more within the days that are counted.
	uncounted bool
	// crowd is from how many entries of a network on a day there may be more: a little before there is no room for what
	// only reads, so that nobody finds the bound out and sees the next client come.
	crowd uint32
	end   time.Time // of the look-up, however far it got
}

// cut notes that there is more on a day than was gone through.
func (w *walk) cut(day Day) {
	w.more = true
	w.uncounted = w.uncounted || day >= w.today-RecentDays
}

// from goes through the days one by one, the latest first, so that those that are counted are whole before it is too much.
func (w *walk) from(ctx context.Context, network netip.Addr) error {
	vaults, err := w.vaults(ctx)
	if err != nil {
		return err
	}
	walked := make(map[networkDay]bool)
	for _, part := range slices.SortedFunc(maps.Keys(vaults), func(a, b Part) int { return b.Compare(a) }) {
		for level := []networkDay{{part, network}}; len(level) > 0; {
			slices.SortFunc(level, func(a, b networkDay) int { return a.network.Compare(b.network) })
			level = slices.DeleteFunc(slices.Compact(level), func(d networkDay) bool { return walked[d] })
			if most := maxWalked - len(walked); len(level) > most {
				level = level[:most]
				w.cut(part.Day)
			}
			for _, d := range level {
				walked[d] = true
			}
			if level, err = w.step(ctx, vaults, level); err != nil {
				return err
			}
		}
		if len(walked) == maxWalked || len(w.people) == maxPeople || time.Now().After(w.end) {
			w.cut(part.Day - 1) // what is before it, is not gone through
			break
		}
	}
	return nil
}

// vaults are those of the epoch's days within the retention, before today.
func (w *walk) vaults(ctx context.Context) (map[Part]*vault, error) {
	parts, err := w.recorder.config.Store.Parts(ctx)
	if err != nil {
		return nil, err
	}
	vaults := make(map[Part]*vault)
	for _, part := range parts {
		if part.Epoch != w.epoch.ID() || part.Day >= w.today || w.recorder.expired(part.Day) {
			continue
		}
		if vaults[part], err = w.recorder.vaults.get(w.epoch, part.Day); err != nil {
			return nil, err
		}
	}
	return vaults, nil
}

// networkNumber is the place of one entry of a network.
type networkNumber struct {
	networkDay
	n uint32
}

// step reads all entries of networks, by and by more of each that has more, and returns the narrower networks.
func (w *walk) step(ctx context.Context, vaults map[Part]*vault, networks []networkDay) (narrower []networkDay, err error) {
	for from, to := uint32(0), uint32(firstMember); len(networks) > 0; from, to = to, 2*to {
		var having []networkDay
		for some := range slices.Chunk(networks, findAtOnce/int(to-from)+1) {
			if time.Now().After(w.end) {
				w.cut(some[0].part.Day)
				return nil, nil
			}
			places := make(map[Ref]networkNumber)
			for _, d := range some {
				for n := from; n < min(to, maxMembers); n++ {
					places[vaults[d.part].memberRef(d.network, n)] = networkNumber{d, n}
				}
			}
			entries, err := w.recorder.config.Store.Find(ctx, slices.Collect(maps.Keys(places)))
			if err != nil {
				return nil, err
			}
			found := make(map[networkDay]bool)
			for _, e := range entries {
				d, asked := places[e.Ref]
				if !asked {
					return nil, fmt.Errorf("%w: it answers what was not asked", ErrDamaged)
				}
				if d.n >= w.crowd {
					w.cut(d.part.Day)
				}
				found[d.networkDay] = true
				m, err := vaults[d.part].openMember(e)
				if err != nil {
					return nil, err
				}
				if m.kind == memberNetwork {
					narrower = append(narrower, networkDay{d.part, m.mask})
				} else {
					w.meet(m, d.part.Day)
				}
			}
			having = slices.AppendSeq(having, maps.Keys(found))
		}
		if networks = having; to >= maxMembers {
			return narrower, nil
		}
	}
	return narrower, nil
}

// meet notes that a client was there on a day.
func (w *walk) meet(m member, day Day) {
	p := w.people[m.mask]
	if p == nil {
		if len(w.people) == maxPeople {
			w.cut(day)
			return
		}
		p = &person{holder: m.holder}
		w.people[m.mask] = p
	}
	p.seen = max(p.seen, day)
	if m.kind == memberPublished {
		p.published = max(p.published, day)
	}
}

// population keeps to the rule for small networks.
func (w *walk) population(network NetworkRecord, round rounding) Population {
	clients, published := 0, 0
	holders := make(map[netip.Addr]bool)
	var candidates []netip.Addr
	since := w.today - RecentDays
	for mask, p := range w.people {
		if p.seen >= since {
			clients++
		}
		if p.published >= since {
			published++
		}
		holders[p.holder] = true
		if p.published > 0 {
			candidates = append(candidates, mask)
		}
	}
	found := Population{
		Clients: round.of("clients", clients, w.uncounted), Published: round.of("published", published, w.uncounted), Until: w.today - 1,
		Small: oneHolders(network.Network) || round.off("holders", len(holders)) < NamedFrom,
	}
	if found.Small {
		return found
	}
	found.More = w.more
	slices.SortFunc(candidates, func(a, b netip.Addr) int {
		return cmp.Or(cmp.Compare(w.people[b].published, w.people[a].published), a.Compare(b))
	})
	if len(candidates) > MaxCandidates {
		candidates, found.More = candidates[:MaxCandidates], true
	}
	found.Candidates = candidates
	return found
}

// oneHolders reports whether a network may be one customer's: who has a /56 has 256 clients.
func oneHolders(n Network) bool { return n.Family == 6 && n.Bits >= holderBits }

// rounding makes counts a little wrong before they are put in ranges, always in the same way for a network and a week. Else who
// adds clients of their own until the range changes would know the count, and see the next client come.
type rounding struct {
	key     []byte
	network netip.Addr
	week    Day
}

func newRounding(epoch masking.Epoch, network netip.Addr, today Day) (rounding, error) {
	key, err := epoch.Key("records/members/rounding")
	return rounding{key, network, today / RecentDays}, err
}

func (r rounding) of(what string, n int, more bool) string {
	told := ClientRange(r.off(what, n))
	if !more {
		return told
	}
	if least, _, ok := strings.Cut(told, " to "); ok {
		return "at least " + least
	}
	return "unknown"
}

// off returns a count that is up to [roundingPercent] off.
func (r rounding) off(what string, n int) int {
	mac := hmac.New(sha256.New, r.key)
	fmt.Fprintf(mac, "%v %d %s", r.network, r.week, what)
	share := int(binary.BigEndian.Uint32(mac.Sum(nil))%(2*roundingPercent+1)) - roundingPercent
	return n + n*share/100
}
