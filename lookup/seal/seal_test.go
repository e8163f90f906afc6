package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/lookup/seal"
	"github.com/wikiveil/wikiveil/masking"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	testMask  = netip.MustParseAddr("2001:2f:1:2:3:4:5:6")
	otherMask = netip.MustParseAddr("2001:2f:6:5:4:3:2:1")
	testV4    = netip.MustParseAddr("203.0.113.77")
	testV6    = netip.MustParseAddr("2001:db8:1:2:3:4:5:6")
)

func testEpoch(t testing.TB, fill byte) masking.Epoch {
	t.Helper()
	ring, err := masking.ConfiguredRing(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return ring.Epochs()[0]
}

func identities(t testing.TB, n int) (ids []*seal.Identity, recipients []*seal.Recipient) {
	t.Helper()
	for range n {
		id, err := seal.GenerateIdentity()
		if err != nil {
			t.Fatal(err)
		}
		ids, recipients = append(ids, id), append(recipients, id.Recipient())
	}
	return ids, recipients
}

func newSealer(t testing.TB, mode seal.Mode, recipients ...*seal.Recipient) *seal.Sealer {
	t.Helper()
	s, err := seal.NewSealer(mode, recipients...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSeal(t testing.TB, s *seal.Sealer, addr netip.Addr, epoch masking.Epoch) seal.Box {
	t.Helper()
	box, err := s.Seal(addr, testMask, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestWhoCanOpen(t *testing.T) {
	epoch := testEpoch(t, 1)
	ids, recipients := identities(t, 3)
	strangers, _ := identities(t, 2)
	tests := []struct {
		name string
		mode seal.Mode
		with []*seal.Identity
		want error
	}{
		{"any, the first", seal.Any, ids[:1], nil},
		{"any, the last", seal.Any, ids[2:], nil},
		{"any, all of them", seal.Any, ids, nil},
		{"any, a stranger", seal.Any, strangers, seal.ErrNoIdentity},
		{"any, nobody", seal.Any, nil, seal.ErrNoIdentity},
		{"all, together", seal.All, ids, nil},
		{"all, in another order", seal.All, []*seal.Identity{ids[2], strangers[0], ids[0], ids[1]}, nil},
		{"all, one is missing", seal.All, ids[:2], seal.ErrNoIdentity},
		{"all, one is a stranger", seal.All, []*seal.Identity{ids[0], ids[1], strangers[0]}, seal.ErrNoIdentity},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sealer := newSealer(t, tt.mode, recipients...)
			for _, addr := range []netip.Addr{testV4, testV6, testV4} { // along the chain
				got, err := seal.Open(mustSeal(t, sealer, addr, epoch), tt.with...)
				if !errors.Is(err, tt.want) || (tt.want == nil && got != addr) {
					t.Fatalf("Open = %v, %v; want %v, %v", got, err, addr, tt.want)
				}
				if tt.want != nil && got.IsValid() {
					t.Fatalf("an address came with the error: %v", got)
				}
			}
		})
	}
}

func TestMissingIdentityIsNamed(t *testing.T) {
	ids, recipients := identities(t, 2)
	box := mustSeal(t, newSealer(t, seal.All, recipients...), testV4, testEpoch(t, 1))
	_, err := seal.Open(box, ids[0])
	if err == nil || !strings.Contains(err.Error(), recipients[1].ID()) || strings.Contains(err.Error(), recipients[0].ID()) {
		t.Fatalf("error %v does not name the missing recipient alone", err)
	}
	if got := box.Recipients(); len(got) != 2 || got[1] != recipients[1].ID() {
		t.Fatalf("Recipients = %v", got)
	}
}

func TestLocal(t *testing.T) {
	epoch := testEpoch(t, 1)
	box := mustSeal(t, seal.NewLocal(), testV6, epoch)
	if got, err := seal.OpenLocal(box, epoch); err != nil || got != testV6 {
		t.Fatalf("OpenLocal = %v, %v", got, err)
	}
	if _, err := seal.OpenLocal(box, testEpoch(t, 2)); !errors.Is(err, seal.ErrDamaged) {
		t.Fatalf("another epoch's key: %v", err)
	}
	ids, recipients := identities(t, 1)
	if _, err := seal.Open(box, ids...); !errors.Is(err, seal.ErrMode) {
		t.Fatalf("Open of a local box: %v", err)
	}
	sealed := mustSeal(t, newSealer(t, seal.Any, recipients...), testV6, epoch)
	if _, err := seal.OpenLocal(sealed, epoch); !errors.Is(err, seal.ErrMode) {
		t.Fatalf("OpenLocal of a sealed box: %v", err)
	}
}

// A thief of the store who may ask for one mask's reveal must not get another mask's address by
// swapping the boxes.
func TestBoxIsBound(t *testing.T) {
	epoch := testEpoch(t, 1)
	ids, recipients := identities(t, 2)
	for _, sealer := range []*seal.Sealer{seal.NewLocal(), newSealer(t, seal.Any, recipients...), newSealer(t, seal.All, recipients...)} {
		open := func(b seal.Box) error {
			if sealer.Mode() == seal.Local {
				_, err := seal.OpenLocal(b, epoch)
				return err
			}
			_, err := seal.Open(b, ids...)
			return err
		}
		box := mustSeal(t, sealer, testV4, epoch)
		if err := open(box); err != nil {
			t.Fatalf("%v: %v", sealer.Mode(), err)
		}
		moved := map[string]seal.Box{
			"another mask":  {Mask: otherMask, Epoch: box.Epoch, Body: box.Body},
			"another epoch": {Mask: box.Mask, Epoch: "0123456789ab", Body: box.Body},
		}
		for i := range box.Body {
			changed := seal.Box{Mask: box.Mask, Epoch: box.Epoch, Body: bytes.Clone(box.Body)}
			changed.Body[i] ^= 1
			moved[fmt.Sprintf("byte %d changed", i)] = changed
		}
		for name, b := range moved {
			if err := open(b); err == nil {
				t.Errorf("%v: %s: the box opens", sealer.Mode(), name)
			}
		}
	}
}

func TestFamiliesLookAlike(t *testing.T) {
	epoch := testEpoch(t, 1)
	_, recipients := identities(t, 2)
	for _, s := range []*seal.Sealer{seal.NewLocal(), newSealer(t, seal.Any, recipients...), newSealer(t, seal.All, recipients...)} {
		v4, v6 := mustSeal(t, s, testV4, epoch), mustSeal(t, s, testV6, epoch)
		if len(v4.Body) != len(v6.Body) {
			t.Errorf("%v: %d and %d bytes", s.Mode(), len(v4.Body), len(v6.Body))
		}
		for _, b := range []seal.Box{v4, v6} {
			a4, a6 := testV4.As4(), testV6.As16()
			if bytes.Contains(b.Body, a4[:]) || bytes.Contains(b.Body, a6[:8]) {
				t.Errorf("%v: the body holds the address", s.Mode())
			}
		}
	}
}

func TestMappedAndZonedAddresses(t *testing.T) {
	epoch := testEpoch(t, 1)
	for in, want := range map[string]netip.Addr{
		"::ffff:203.0.113.77":        testV4,
		"2001:db8:1:2:3:4:5:6%eth0":  testV6,
		"2001:db8:1:2:3:4:5:6%%2525": testV6,
	} {
		box := mustSeal(t, seal.NewLocal(), netip.MustParseAddr(in), epoch)
		if got, err := seal.OpenLocal(box, epoch); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	epoch := testEpoch(t, 1)
	if _, err := seal.NewLocal().Seal(netip.Addr{}, testMask, epoch); !errors.Is(err, masking.ErrInvalidAddress) {
		t.Errorf("no address: %v", err)
	}
	_, err := seal.NewLocal().Seal(testV4, testV6, epoch)
	if err == nil || strings.Contains(err.Error(), testV4.String()) || strings.Contains(err.Error(), testV6.String()) {
		t.Errorf("an address in place of the mask: %v", err)
	}
}

func TestNewSealerRefuses(t *testing.T) {
	_, recipients := identities(t, seal.MaxRecipients+1)
	tests := []struct {
		name       string
		mode       seal.Mode
		recipients []*seal.Recipient
		want       string
	}{
		{"nobody", seal.Any, nil, "there is none"},
		{"too many", seal.All, recipients, "more than 16"},
		{"one twice", seal.Any, []*seal.Recipient{recipients[0], recipients[1], recipients[0]}, "is given twice"},
		{"local", seal.Local, recipients[:1], "mode local"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := seal.NewSealer(tt.mode, tt.recipients...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

// Concurrent callers must not get one key of the chain twice: each box has its own index.
func TestConcurrentSeal(t *testing.T) {
	epoch := testEpoch(t, 1)
	ids, recipients := identities(t, 1)
	sealer := newSealer(t, seal.Any, recipients...)
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				box, err := sealer.Seal(testV4, testMask, epoch)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seen[string(box.Body)] = true
				mu.Unlock()
				if got, err := seal.Open(box, ids...); err != nil || got != testV4 {
					t.Errorf("Open = %v, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	if len(seen) != 8*50 {
		t.Fatalf("%d different boxes of %d", len(seen), 8*50)
	}
}

// go test -run '^$' -bench . -benchmem ./lookup/seal
func BenchmarkSeal(b *testing.B) {
	epoch := testEpoch(b, 1)
	_, recipients := identities(b, 5)
	for name, s := range map[string]*seal.Sealer{
		"any of 1": newSealer(b, seal.Any, recipients[:1]...),
		"any of 5": newSealer(b, seal.Any, recipients...),
		"all of 5": newSealer(b, seal.All, recipients...),
		"local":    seal.NewLocal(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Seal(testV4, testMask, epoch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("fresh context each", func(b *testing.B) { // what the chain saves
		b.ReportAllocs()
		for b.Loop() {
			if _, err := newSealer(b, seal.Any, recipients[0]).Seal(testV4, testMask, epoch); err != nil {
				b.Fatal(err)
			}
		}
	})
}
