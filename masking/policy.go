package masking

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// A Policy says how a node wants the ring kept.
type Policy struct {
	// Every is the time between scheduled rotations; 0 means no schedule.
	Every time.Duration `json:"rotate"`
	// Keep is how many epochs before the one in use are kept.
	Keep int `json:"keep"`
	// Grace is how long an older epoch's secret can be taken back before it is destroyed.
	Grace time.Duration `json:"destroy_after"`
}

// DefaultGrace is [Policy.Grace] unless configured.
const DefaultGrace = 7 * 24 * time.Hour

// longest returns what loses least of two policies.
func (p Policy) longest(o Policy) Policy {
	l := Policy{Every: max(p.Every, o.Every), Keep: max(p.Keep, o.Keep), Grace: max(p.Grace, o.Grace)}
	if p.Every == 0 || o.Every == 0 {
		l.Every = 0 // never by itself
	}
	return l
}

// PoliciesKey is the storage key of what the nodes want.
const PoliciesKey = "wikiveil/keyring_nodes.json"

const (
	// tellEvery is how often a node says that its policy still holds, and forgetAfter how long
	// one counts that says no more.
	tellEvery   = 10 * time.Minute
	forgetAfter = time.Hour
)

// ErrDisagree: nodes that share a ring have different policies.
var ErrDisagree = errors.New("the edges that share the key ring disagree about rotate, keep or destroy_after: the longest of each holds")

// policies are what the nodes of a storage want.
type policies struct {
	*shareddoc.Doc[map[string]nodePolicy]
}

type nodePolicy struct {
	Policy
	Seen time.Time `json:"seen"`
}

func newPolicies(storage Storage) *policies {
	return &policies{shareddoc.New(storage, PoliciesKey, shareddoc.JSON[map[string]nodePolicy](nil))}
}

// tell has the other nodes know this one's policy, and returns what all of them together want. Where the error is
// [ErrDisagree], that is right too.
func (p *policies) tell(ctx context.Context, node string, own Policy, now time.Time) (Policy, error) {
	if err := p.Read(ctx); err != nil {
		return own, err
	}
	if said, ok := p.Get()[node]; !ok || said.Policy != own || said.stale(now, tellEvery) {
		err := p.Update(ctx, func(nodes map[string]nodePolicy) (map[string]nodePolicy, error) {
			if nodes = maps.Clone(nodes); nodes == nil {
				nodes = make(map[string]nodePolicy)
			}
			maps.DeleteFunc(nodes, func(_ string, n nodePolicy) bool { return n.stale(now, forgetAfter) })
			nodes[node] = nodePolicy{own, now.UTC().Truncate(time.Second)}
			return nodes, nil
		})
		if err != nil {
			return own, err
		}
	}
	all := own
	disagree := false
	for _, n := range slices.Collect(maps.Values(p.Get())) {
		if !n.stale(now, forgetAfter) {
			all = all.longest(n.Policy)
			disagree = disagree || n.Policy != own
		}
	}
	if disagree {
		return all, ErrDisagree
	}
	return all, nil
}

// leave has this node's policy count no more. Others forget it in time where that fails.
func (p *policies) leave(ctx context.Context, node string) error {
	if !p.Known() {
		return nil
	}
	return p.Update(ctx, func(nodes map[string]nodePolicy) (map[string]nodePolicy, error) {
		nodes = maps.Clone(nodes)
		delete(nodes, node)
		return nodes, nil
	})
}

func (n nodePolicy) stale(now time.Time, after time.Duration) bool {
	age := now.Sub(n.Seen)
	return age >= after || age <= -after
}
