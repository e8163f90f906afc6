package sightings

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash"
	"math/bits"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// The index of members leads from a network's mask to the clients seen in it. Networks around one address lie in each
// other, so a client is filed under the narrowest of them, and each network under the next wider: most clients
// cost one small entry a day. Named networks lie in none, so their clients are filed under them too.
//
// An entry's key is the HMAC of the network's mask and of the entry's number, which the recorder counts: nothing is read
// before a write, and Redis has no value that grows. Its value is sealed as a record is, and has one size:
//
//	kind (1 byte) | mask (16) | holder's mask (16)
const (
	memberSeen      = 1 // a client
	memberPublished = 2 // a client that sent what can publish
	memberNetwork   = 3 // a narrower network that has members

	memberSize = 1 + 16 + 16

	// maxMembers is how many entries a network gets on one day from one recorder. What only reads makes half of them.
	maxMembers = 1 << 10
	// holderBits is the length of the widest IPv6 network that a site commonly gets; many get narrower ones (RFC 6177).
	holderBits = 48

	indexedNetworks = 1 << 16 // remembered, some 10 MB
)

// member is one entry of a network.
type member struct {
	kind byte
	mask netip.Addr
	// holder tells whose the client may be: who has a /48 of IPv6 has 65,536 clients. Of IPv4 it is the client.
	holder netip.Addr
}

func (m member) encode() []byte {
	b := appendMask(append(make([]byte, 0, memberSize), m.kind), m.mask)
	return appendMask(b, m.holder)
}

func decodeMember(data []byte) (member, error) {
	d := &decoder{rest: data}
	m := member{kind: d.byte(), mask: d.mask(), holder: d.mask()}
	if d.bad || len(d.rest) > 0 || m.kind < memberSeen || m.kind > memberNetwork {
		return member{}, errEncoding
	}
	return m, nil
}

// memberRef is where the n-th entry of a network is.
func (v *vault) memberRef(network netip.Addr, n uint32) Ref {
	mac := v.macs.Get().(hash.Hash)
	defer v.macs.Put(mac)
	mac.Reset()
	m := network.As16()
	mac.Write(m[:])
	mac.Write(binary.BigEndian.AppendUint32(nil, n)) // so that no record of a mask is at this place
	return v.refOf(mac)
}

func (v *vault) openMember(e Entry) (member, error) {
	plain, err := v.unseal(e)
	if err != nil {
		return member{}, err
	}
	m, err := decodeMember(plain)
	if err != nil {
		return member{}, fmt.Errorf("%w: a value of %v: %w", ErrDamaged, e.Ref.Part, err)
	}
	return m, nil
}

// networkDay is a network on a day of an epoch.
type networkDay struct {
	part    Part
	network netip.Addr
}

// filing is that a member is in a network, on a day of an epoch.
type filing struct {
	networkDay
	kind byte
	mask netip.Addr
}

// filed tells where a filing's entry is, and whether it is stored.
type filed struct {
	n      uint32
	stored bool
}

// made is what a network has on a day.
type made struct {
	next    uint32 // number
	windows windows
}

// windows has a bit for each window of a network's numbers, set where it is known to have an entry.
//
// A look-up reads a network's entries by and by, a window at a time: the numbers 0 to 15, 16 to 31, 32 to 63, 64 to 127, and so on.
// It ends at the first that is empty. Numbers may have gaps, as what has an earlier one may be stored later, or never; so what is
// stored in a window is also put at the start of each earlier one of which it isn't known that it has an entry.
type windows uint8

func windowOf(n uint32) int { return bits.Len32(n / firstMember) }

func windowStart(window int) uint32 {
	if window == 0 {
		return 0
	}
	return firstMember << (window - 1)
}

// memberIndex counts the entries of networks, and remembers those made lately, in one incarnation of the store.
type memberIndex struct {
	mu          sync.Mutex
	incarnation uint64
	made        *lru.Cache[networkDay, made]
	filed       *lru.Cache[filing, filed]
	full        atomic.Uint64 // entries for which there was no room
}

func newMemberIndex() (*memberIndex, error) {
	networks, err := lru.New[networkDay, made](indexedNetworks)
	if err != nil {
		return nil, err
	}
	lately, err := lru.New[filing, filed](indexedNetworks)
	return &memberIndex{made: networks, filed: lately}, err
}

// under has all counted anew in another incarnation of the store, as what was stored may be lost.
func (x *memberIndex) under(incarnation uint64) {
	if x.incarnation != incarnation {
		x.made.Purge()
		x.filed.Purge()
		x.incarnation = incarnation
	}
}

// take returns the numbers of a filing's entry, its own first; none where it is stored, or its network is full. One that is not stored
// yet keeps its number: who sends a thousand requests at once takes one.
func (x *memberIndex) take(of filing, reading bool, incarnation uint64) (numbers []uint32) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.under(incarnation)
	has, _ := x.made.Get(of.networkDay)
	at, ok := x.filed.Get(of)
	switch {
	case ok && at.stored:
		return nil
	case !ok && (has.next >= maxMembers || reading && has.next >= maxMembers/2):
		x.full.Add(1)
		return nil
	case !ok:
		at = filed{n: has.next}
		has.next++
		x.made.Add(of.networkDay, has)
		x.filed.Add(of, at)
	}
	numbers = []uint32{at.n}
	for window := range windowOf(at.n) {
		if has.windows&(1<<window) == 0 {
			numbers = append(numbers, windowStart(window))
		}
	}
	return numbers
}

// settle is told whether the entries of filings are stored. Numbers of those that are not are used again. Two entries may then have
// one number, which does no harm.
func (x *memberIndex) settle(filings map[filing][]uint32, incarnation uint64, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.incarnation != incarnation {
		return
	}
	for of, numbers := range filings {
		at, ok := x.filed.Peek(of)
		has, _ := x.made.Peek(of.networkDay)
		switch {
		case !ok || at.n != numbers[0] || at.stored && err != nil:
			continue
		case err == nil:
			x.filed.Add(of, filed{at.n, true})
			for _, n := range numbers {
				has.windows |= 1 << windowOf(n)
			}
		default:
			x.filed.Remove(of)
			has.next = min(has.next, at.n)
		}
		x.made.Add(of.networkDay, has)
	}
}

// forget lets go of what belongs to epochs that are no longer kept.
func (x *memberIndex) forget(kept map[string]bool) {
	for _, d := range x.made.Keys() {
		if !kept[d.part.Epoch] {
			x.made.Remove(d)
		}
	}
	for _, of := range x.filed.Keys() {
		if !kept[of.part.Epoch] {
			x.filed.Remove(of)
		}
	}
}

// membership is what files a client under its networks, on its way to the store.
type membership struct {
	vault       *vault
	index       *memberIndex
	incarnation uint64 // of the store
	entries     []Entry
	filings     map[filing][]uint32 // with the numbers of their entries
}

// file makes the entries of a client. Networks that are full are left out.
func (x *memberIndex) file(v *vault, client member, o *observation, incarnation uint64) *membership {
	m := &membership{vault: v, index: x, incarnation: incarnation, filings: make(map[filing][]uint32)}
	reading := client.kind == memberSeen
	what := client
	for _, n := range o.nested() {
		m.add(n.Mask, what, reading)
		what = member{memberNetwork, n.Mask, n.Mask}
	}
	for _, n := range o.named {
		if n.Mask.IsValid() {
			m.add(n.Mask, client, reading)
		}
	}
	return m
}

func (m *membership) add(network netip.Addr, what member, reading bool) {
	of := filing{networkDay{m.vault.part, network}, what.kind, what.mask}
	numbers := m.index.take(of, reading, m.incarnation)
	if len(numbers) > 0 {
		m.filings[of] = numbers
	}
	for _, n := range numbers {
		m.entries = append(m.entries, m.vault.seal(m.vault.memberRef(network, n), what.encode()))
	}
}

func (m *membership) settle(err error) {
	m.index.settle(m.filings, m.incarnation, err)
}

// nested are the networks around an address that have a width, the narrowest first.
func (o *observation) nested() []Network {
	chain := slices.Clone(o.ranges)
	if o.allocation.IsValid() {
		chain = append(chain, o.allocation)
	}
	slices.SortFunc(chain, func(a, b Network) int { return cmp.Compare(b.Bits, a.Bits) })
	return slices.CompactFunc(chain, func(a, b Network) bool { return a.Mask == b.Mask })
}

// member is a sighting's client as its networks have it.
func (s Sighting) member(o *observation, kind byte) (member, error) {
	m := member{kind, s.Mask, s.Mask}
	addr := s.Addr.Unmap().WithZone("")
	if !addr.Is6() {
		return m, nil
	}
	for _, n := range o.ranges {
		if n.Bits == holderBits {
			m.holder = n.Mask
			return m, nil
		}
	}
	var err error
	m.holder, err = s.Site.masker.Range(netip.PrefixFrom(addr, holderBits))
	return m, err
}
