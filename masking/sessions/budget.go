package sessions

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/masking"
)

const (
	// DefaultBudget is how many sessions an address can begin at once, and again each day.
	DefaultBudget = 20
	// MaxBudget is the largest budget.
	MaxBudget = 10_000
)

// A Budget bounds how many sessions begin behind each address: a token bucket, which all nodes share that share the store.
type Budget struct {
	// Store keeps an entry for each address behind which a session began lately.
	Store kv.Store
	// Index returns the key under which entries are found; see [IndexKey].
	Index []byte
	// Day is how many tokens a bucket holds, and gets a day.
	Day int
}

// IndexKey is the key of an epoch's budgets.
func IndexKey(epoch masking.Epoch) ([]byte, error) { return epoch.Key("session/budget") }

var errSpent = errors.New("the budget is spent")

// An entry is when the bucket would be full, Unix time in milliseconds (u64), and the hashes of the sessions granted last, the newest
// last. The pages of a site bring one offered session back in several requests at once: it is to cost one token.
const (
	hashSize   = 8
	remembered = 64
)

// Grant takes a token for a session of an address, and reports whether there was one. The address is given by its mask without salt. A
// session that was granted lately takes none.
func (b Budget) Grant(ctx context.Context, address netip.Addr, s Session, now time.Time) (bool, error) {
	each := 24 * time.Hour / time.Duration(b.Day)
	hash := b.hash("session", s.ID[:])[:hashSize]
	mask := address.As16()
	key := hex.EncodeToString(b.hash("address", mask[:])[:16])
	err := b.Store.Update(ctx, key, now.Add(48*time.Hour), func(old []byte) ([]byte, error) {
		full, known := now, []byte(nil)
		if len(old) >= 8 && len(old)%hashSize == 0 { // else there is none
			full, known = time.UnixMilli(int64(binary.BigEndian.Uint64(old))), old[8:]
		}
		for hashed := range slices.Chunk(known, hashSize) {
			if hmac.Equal(hashed, hash) {
				return nil, nil
			}
		}
		if full.Before(now) {
			full = now
		}
		if full = full.Add(each); full.After(now.Add(time.Duration(b.Day) * each)) {
			return nil, errSpent
		}
		known = known[max(0, len(known)-(remembered-1)*hashSize):]
		return slices.Concat(binary.BigEndian.AppendUint64(nil, uint64(full.UnixMilli())), known, hash), nil
	})
	if errors.Is(err, errSpent) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for a session: %w", err)
	}
	return true, nil
}

func (b Budget) hash(kind string, value []byte) []byte {
	h := hmac.New(sha256.New, b.Index)
	h.Write([]byte(kind + "\x00"))
	h.Write(value)
	return h.Sum(nil)
}
