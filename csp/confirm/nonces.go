package confirm

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
)

// Nonce makes a token or a ticket count once.
type Nonce [16]byte

// Share is how many nonces a group may burn in some ten minutes, by its place: a client, then ever wider networks. A
// confirmation takes two or three.
func Share(place int) int {
	shares := [...]int{100, 800, 4096}
	return shares[min(place, len(shares)-1)]
}

// Begin has a store remember from now on what is burnt. Without it a Redis that is new refuses the first confirmation
// as expired. The error says whether it can be used.
func Begin(ctx context.Context, nonces kv.Store) error {
	now := time.Now()
	_, _, err := nonces.Add(ctx, 0, kv.Counter{Key: "begin", Since: now, Expires: now.Add(TokenLife)})
	if errors.Is(err, kv.ErrForgot) {
		return nil
	}
	return err
}

// burn makes sure of one use: it counts a nonce once, and for the groups that ask for it. With any error the request is
// refused.
func (f *Flow) burn(ctx context.Context, c claims, groups []Group, life time.Duration) error {
	// Remembered a little longer than it counts, for nodes whose clocks lag.
	expires := c.issued.Add(life + clockSkew)
	counters := []kv.Counter{{Key: hex.EncodeToString(c.nonce[:]), Limit: 1, Expires: expires, Since: c.issued}}
	end := time.Now().Add(TokenLife + clockSkew) // none is kept longer
	for place, group := range groups {
		counters = append(counters, kv.Counter{Key: "by:" + hex.EncodeToString(group[:]), Limit: Share(place), Expires: end})
	}
	_, over, err := f.nonces.Add(ctx, 1, counters...)
	switch {
	case errors.Is(err, kv.ErrForgot):
		return ErrExpired
	case errors.Is(err, kv.ErrFull):
		return errFull
	case err != nil:
		return fmt.Errorf("%w: %w", errStore, err)
	case over == 0:
		return ErrUsed
	case over > 0:
		return errBusy
	}
	return nil
}

// Group stands for a client, or for a network around it: a keyed hash, which tells nobody its address.
type Group [16]byte

// groups returns those of r's sender, the client first, under a set of keys.
func (f *Flow) groups(r *http.Request, set *keySet) ([]Group, error) {
	var groups []Group
	for _, name := range f.clients(r) {
		// Each purpose has bounds of its own, so that consents can't stop reveals.
		groups = append(groups, Group(set.mac(useClient, []byte(f.purpose), []byte(name))))
	}
	if len(groups) == 0 {
		return nil, errNoClient
	}
	return groups, nil
}

// current returns the groups of r's sender under the keys in use, where they are to be burnt for.
func (f *Flow) current(r *http.Request) ([]Group, error) { return f.groups(r, &f.keys.sets[0]) }

// sameClient compares with what was signed under a set of keys, and returns the current groups.
func (f *Flow) sameClient(r *http.Request, set *keySet, client Group) ([]Group, error) {
	groups, err := f.groups(r, set)
	if err != nil {
		return nil, err
	}
	if !same(groups[0][:], client[:]) {
		return nil, errOtherClient
	}
	return f.current(r)
}
