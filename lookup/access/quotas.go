package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
)

// Limits are how much each user may do a day. 0 means the default.
type Limits struct {
	// Info is the number of masks looked up or compared; [DefaultInfo] by default.
	Info int
	// Reveal is the number of reveals; [DefaultReveal] by default.
	Reveal int
}

// The default limits.
const (
	DefaultInfo   = 100
	DefaultReveal = 20
	// MaxLimit is the largest limit; no limit at all there is not.
	MaxLimit = 1_000_000
)

const (
	day = 24 * time.Hour
	// keepDays is how long a day's counts are kept, so that a clock that goes backwards finds them again.
	keepDays = 7
)

// Quotas bound what each user may do a day (UTC).
type Quotas struct {
	counts kv.Store
	key    []byte
	limits map[Right]int
}

// NewQuotas makes quotas with counts, which they do not close. Users are hashed with a
// key of at least 32 bytes, which must stay the same; a new one is a fresh quota for all.
func NewQuotas(counts kv.Store, key []byte, limits Limits) (*Quotas, error) {
	if len(key) < 32 {
		return nil, fmt.Errorf("key of the quotas is shorter than 32 bytes: it has %d", len(key))
	}
	for right, limit := range map[Right]int{Info: limits.Info, Reveal: limits.Reveal} {
		if limit < 0 || limit > MaxLimit {
			return nil, fmt.Errorf("quota of %d for %q is not from 1 to %d", limit, right, MaxLimit)
		}
	}
	if limits.Info == 0 {
		limits.Info = DefaultInfo
	}
	if limits.Reveal == 0 {
		limits.Reveal = DefaultReveal
	}
	return &Quotas{counts: counts, key: key, limits: map[Right]int{Info: limits.Info, Reveal: limits.Reveal}}, nil
}

// Take takes n units of a right from a user's quota of today, all or none, and returns how
// many are left. With n 0 it takes nothing. Audit has no quota.
//
// The error is a [*refusal.Refusal], of reason [NoQuota] or [Unavailable].
func (q *Quotas) Take(ctx context.Context, user string, right Right, n int) (left int, err error) {
	limit, limited := q.limits[right]
	if !limited {
		return 0, nil
	}
	if n < 0 {
		return 0, unavailable(fmt.Errorf("taking %d from a quota", n))
	}
	today := time.Now().UTC().Truncate(day)
	counts, over, err := q.counts.Add(ctx, n, kv.Counter{
		Key: today.Format(time.DateOnly) + ":" + q.keyOf(user, right), Limit: limit, Expires: today.Add((keepDays + 1) * day),
	})
	if err != nil {
		return 0, unavailable(fmt.Errorf("counting for the quota: %w", err))
	}
	left = max(0, limit-counts[0])
	if over >= 0 {
		return left, noQuota(right, limit, left, today.Add(day))
	}
	return left, nil
}

// keyOf hides the user: half a SHA-256 suffices to tell users apart.
func (q *Quotas) keyOf(user string, right Right) string {
	mac := hmac.New(sha256.New, q.key)
	io.WriteString(mac, right.String()+"\x00"+user)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
