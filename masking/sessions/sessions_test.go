package sessions

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/masking"
)

func testKeys(t testing.TB, label string, fills ...byte) *Keys {
	t.Helper()
	var secrets [][]byte
	for _, fill := range fills {
		secrets = append(secrets, []byte(strings.Repeat(string(rune(fill)), 32)))
	}
	ring, err := masking.ConfiguredRing(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := NewKeys(ring.Epochs(), label)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestOpen(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	keys := testKeys(t, "en", 'b', 'a')
	offered := New(now)
	granted := offered
	granted.Granted = true
	for _, tt := range []struct {
		name  string
		text  string
		at    time.Time
		want  error
		renew bool
	}{
		{"offered", keys.Seal(offered), now, nil, false},
		{"granted", keys.Seal(granted), now.Add(Life - time.Second), nil, false},
		{"an older epoch's", testKeys(t, "en", 'a').Seal(granted), now, nil, true},
		{"offered too long ago", keys.Seal(offered), now.Add(OfferLife), ErrExpired, false},
		{"at its end", keys.Seal(granted), now.Add(Life), ErrExpired, false},
		{"of the future", keys.Seal(granted), now.Add(-time.Hour), ErrExpired, false},
		{"another label's", testKeys(t, "de", 'b').Seal(granted), now, ErrForged, false},
		{"a destroyed epoch's", testKeys(t, "en", 'c').Seal(granted), now, ErrForged, false},
		{"padded", keys.Seal(granted) + "=", now, ErrForged, false},
		{"cut", keys.Seal(granted)[1:], now, ErrForged, false},
		{"empty", "", now, ErrForged, false},
		{"huge", strings.Repeat("A", 1<<20), now, ErrForged, false},
	} {
		s, renew, err := keys.Open(tt.text, tt.at)
		if !errors.Is(err, tt.want) || renew != tt.renew {
			t.Errorf("%s: %v, renew %v", tt.name, err, renew)
		}
		if err == nil && s.ID != offered.ID {
			t.Errorf("%s: another session", tt.name)
		}
	}
	raw, _ := encoding.DecodeString(keys.Seal(offered))
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if _, _, err := keys.Open(encoding.EncodeToString(raw), now); !errors.Is(err, ErrForged) {
				t.Errorf("with bit %d of byte %d turned: %v", bit, i, err)
			}
			raw[i] ^= 1 << bit
		}
	}
}

func FuzzOpen(f *testing.F) {
	keys := testKeys(f, "en", 'a')
	now := time.Unix(1_800_000_000, 0)
	f.Add(keys.Seal(New(now)))
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		s, renew, err := keys.Open(text, now)
		if err == nil && (keys.Seal(s) != text || renew) {
			t.Errorf("%q opens, and is not what was sealed", text)
		}
	})
}

func TestBudget(t *testing.T) {
	b := Budget{Store: kv.NewMemory(100), Index: []byte("a key of budgets"), Day: 4}
	now := time.Now()
	one, other := netip.MustParseAddr("2001:2f::1"), netip.MustParseAddr("2001:2f::2")
	grant := func(address netip.Addr, s Session, at time.Time) bool {
		t.Helper()
		ok, err := b.Grant(t.Context(), address, s, at)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	first := New(now)
	for i := range 4 {
		if s := New(now); !grant(one, first, now) || i < 3 && !grant(one, s, now) { // the first costs one token, however often it comes
			t.Fatalf("session %d was refused", i)
		}
	}
	if grant(one, New(now), now) || grant(one, New(now), now.Add(5*time.Hour)) {
		t.Error("a session over the budget was granted")
	}
	if !grant(one, first, now) {
		t.Error("one that was granted was refused")
	}
	if !grant(other, New(now), now) {
		t.Error("another address paid for it")
	}
	if later := now.Add(6 * time.Hour); !grant(one, New(now), later) || grant(one, New(now), later) {
		t.Error("a quarter of a day gave something else than one token of four")
	}
	if err := b.Store.Close(); err != nil {
		t.Error(err)
	}
}
