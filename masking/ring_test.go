package masking

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

var day0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func ids(epochs []Epoch) []string {
	var out []string
	for _, e := range epochs {
		out = append(out, e.ID())
	}
	return out
}

func openRing(t *testing.T, k *Keeper, now time.Time) *Ring {
	t.Helper()
	r, err := k.Open(context.Background(), now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeeperMakesOneRingForAllNodes(t *testing.T) {
	dir := t.TempDir()
	const nodes = 8
	got := make([]string, nodes)
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			k := &Keeper{Storage: &certmagic.FileStorage{Path: dir}}
			r, err := k.Open(context.Background(), day0)
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = fmt.Sprint(ids(r.Epochs()))
		})
	}
	wg.Wait()
	for _, g := range got {
		if g != got[0] || g == "" {
			t.Fatalf("nodes disagree: %q", got)
		}
	}
	info, err := os.Stat(filepath.Join(dir, RingKey))
	if err != nil {
		t.Fatal(err)
	}
	if perm := info.Mode().Perm(); perm != 0o600 {
		t.Errorf("the key ring has mode %o, want 600", perm)
	}
}

func TestRotateKeepsAndForgets(t *testing.T) {
	dir := t.TempDir()
	k := &Keeper{Storage: &certmagic.FileStorage{Path: dir}, Keep: 1}
	first := openRing(t, k, day0)
	second, err := k.Rotate(context.Background(), day0.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ids(second.Active(day0.Add(day), 1))[1:], ids(first.Epochs()); !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	third, err := k.Rotate(context.Background(), day0.Add(2*day))
	if err != nil {
		t.Fatal(err)
	}
	if len(third.Epochs()) != 2 {
		t.Errorf("%d epochs, want 2", len(third.Epochs()))
	}
	data, err := os.ReadFile(filepath.Join(dir, RingKey))
	if err != nil {
		t.Fatal(err)
	}
	if expired := hex.EncodeToString(first.epochs[0].secret); strings.Contains(string(data), expired) {
		t.Error("the expired epoch's secret is still in storage")
	}
	if kept := hex.EncodeToString(second.epochs[0].secret); !strings.Contains(string(data), kept) {
		t.Error("the kept epoch's secret is not in storage")
	}
	reread := openRing(t, k, day0.Add(2*day))
	if !slices.Equal(ids(reread.Epochs()), ids(third.Epochs())) {
		t.Errorf("read back %v, want %v", reread.Epochs(), third.Epochs())
	}
}

func TestScheduledRotation(t *testing.T) {
	k := &Keeper{Storage: &certmagic.FileStorage{Path: t.TempDir()}, Every: 90 * day, Keep: 1}
	first := openRing(t, k, day0)
	due := day0.Add(90 * day)

	if r := openRing(t, k, due.Add(-rotationLead-time.Second)); len(r.Epochs()) != 1 {
		t.Fatalf("planned before its time: %v", r.Epochs())
	}
	planned := openRing(t, k, due.Add(-time.Minute))
	if got := planned.Active(due.Add(-time.Minute), 1); !slices.Equal(ids(got), ids(first.Epochs())) {
		t.Errorf("before its start, active is %v, want the first alone", got)
	}
	if next, ok := planned.Next(due.Add(-time.Minute)); !ok || !next.Equal(due) {
		t.Errorf("next epoch at %v, %v, want %v", next, ok, due)
	}
	if again := openRing(t, k, due.Add(-time.Second)); !slices.Equal(ids(again.Epochs()), ids(planned.Epochs())) {
		t.Error("another node planned another epoch")
	}
	active := planned.Active(due, 1)
	if len(active) != 2 || active[1].ID() != first.Epochs()[0].ID() {
		t.Errorf("at its start, active is %v, want the new one, then the first", active)
	}
	// All nodes were down for a year.
	late := due.Add(365 * day)
	if r := openRing(t, k, late); !r.Epochs()[0].Start().Equal(late) || len(r.Epochs()) != 2 {
		t.Errorf("after a long pause: %v", r.Epochs())
	}
}

func TestClockGoingBackwardsLosesNoEpoch(t *testing.T) {
	k := &Keeper{Storage: &certmagic.FileStorage{Path: t.TempDir()}, Keep: 1, Every: day}
	before := openRing(t, k, day0.Add(365*day))
	if _, err := k.Rotate(context.Background(), day0); !errors.Is(err, ErrClock) {
		t.Errorf("rotating with a wrong clock: %v, want %v", err, ErrClock)
	}
	after := openRing(t, k, day0)
	if !slices.Equal(ids(after.Epochs()), ids(before.Epochs())) || len(after.Active(day0, 1)) == 0 {
		t.Errorf("the ring changed: %v to %v", before.Epochs(), after.Epochs())
	}
}

func TestDamagedRingIsNeverOverwritten(t *testing.T) {
	secret := strings.Repeat("ab", 32)
	for name, c := range map[string]struct{ content, want string }{
		"empty":        {"", "not JSON"},
		"cut":          {`{"version":1,"epochs":[{"sta`, "not JSON"},
		"no epochs":    {`{"version":1}`, "no secret"},
		"version 2":    {`{"version":2,"epochs":[]}`, "unknown version"},
		"short secret": {`{"version":1,"epochs":[{"start":"2026-01-01T00:00:00Z","secret":"abcd"}]}`, "shorter than 32 bytes"},
		"not hex":      {`{"version":1,"epochs":[{"start":"2026-01-01T00:00:00Z","secret":"zz"}]}`, "not in hex"},
		"twice": {`{"version":1,"epochs":[{"start":"2026-01-01T00:00:00Z","secret":"` + secret +
			`"},{"start":"2026-01-02T00:00:00Z","secret":"` + secret + `"}]}`, "same secret twice"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &certmagic.FileStorage{Path: t.TempDir()}
			ctx := context.Background()
			if err := s.Store(ctx, RingKey, []byte(c.content)); err != nil {
				t.Fatal(err)
			}
			k := &Keeper{Storage: s}
			for _, call := range []func(context.Context, time.Time) (*Ring, error){k.Open, k.Rotate} {
				_, err := call(ctx, day0)
				if !errors.Is(err, ErrBadRing) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got error %v, want %q", err, c.want)
				}
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Error("the error holds a secret")
				}
			}
			if data, err := s.Load(ctx, RingKey); err != nil || string(data) != c.content {
				t.Errorf("the file changed to %q, %v", data, err)
			}
		})
	}
}

func TestLoadOfAMissingRingSaysSo(t *testing.T) {
	k := &Keeper{Storage: &certmagic.FileStorage{Path: t.TempDir()}}
	if _, err := k.Load(context.Background()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestConfiguredRing(t *testing.T) {
	a, b := []byte(strings.Repeat("a", 32)), []byte(strings.Repeat("b", 32))
	r, err := ConfiguredRing(a, b)
	if err != nil {
		t.Fatal(err)
	}
	active := r.Active(time.Now(), 1)
	if string(active[0].secret) != string(a) || string(active[1].secret) != string(b) {
		t.Error("the first secret is not the current one")
	}
	for name, c := range map[string]struct {
		secrets [][]byte
		want    error
	}{
		"none":  {nil, ErrNoSecret},
		"twice": {[][]byte{a, a}, ErrSameSecret},
		"short": {[][]byte{a, b[:31]}, ErrShortSecret},
	} {
		if _, err := ConfiguredRing(c.secrets...); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestEpochsPrintNoSecret(t *testing.T) {
	r, err := ConfiguredRing([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, r.Epochs()); strings.Contains(out, "sss") || strings.Contains(out, "0x73") || strings.Contains(out, "115 115") {
			t.Errorf("%s prints the secret: %s", verb, out)
		}
	}
}

func FuzzDecodeRing(f *testing.F) {
	f.Add([]byte(`{"version":1,"epochs":[{"start":"2026-01-01T00:00:00Z","secret":"` + strings.Repeat("ab", 32) + `"}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRing(data)
		if err != nil {
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		if r2, err := decodeRing(again); err != nil || !slices.Equal(ids(r.Epochs()), ids(r2.Epochs())) {
			t.Fatalf("does not read back: %v", err)
		}
	})
}
