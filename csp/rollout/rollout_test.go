package rollout

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

func TestMain(m *testing.M) {
	// Ends a few seconds after its lock.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

func TestParseShare(t *testing.T) {
	for text, want := range map[string]struct {
		share Share
		shown string
	}{
		"report": {0, "report"}, "0%": {0, "report"}, "enforce": {10000, "enforce"}, "100%": {10000, "enforce"}, "100.00%": {10000, "enforce"},
		"5%": {500, "5%"}, "0.25%": {25, "0.25%"}, "12.5%": {1250, "12.5%"}, "10%": {1000, "10%"}, "99.99%": {9999, "99.99%"}, "007%": {700, "7%"}, "0.01%": {1, "0.01%"},
	} {
		if got, err := ParseShare(text); err != nil || got != want.share || got.String() != want.shown {
			t.Errorf("%q: got %d %s, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "5", "%", "-1%", "+5%", "5.%", ".5%", "0.125%", "100.01%", "101%", "1e1%", "5 %", "Enforce", "5%%", "0x5%", "1000%", "5.+1%", "٥%"} {
		if got, err := ParseShare(text); err == nil {
			t.Errorf("%q: accepted as %s", text, got)
		}
	}
}

// What is read is written so that it reads the same.
func FuzzParseShare(f *testing.F) {
	for _, text := range []string{"report", "enforce", "5%", "0.25%", "100.01%", "%", "5.%"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		share, err := ParseShare(text)
		if err != nil {
			return
		}
		if share > Enforce {
			t.Fatalf("%q is %d", text, share)
		}
		if again, err := ParseShare(share.String()); err != nil || again != share {
			t.Fatalf("%q is %d, written %q, read %d, %v", text, share, share, again, err)
		}
	})
}

func testGroups(t testing.TB, key byte) *Groups {
	t.Helper()
	g, err := NewGroups(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func mask(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0, 0x2f, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
}

// Who is in stays in while the share grows, and the share is what it says.
func TestGroupsGrow(t *testing.T) {
	const clients = 20_000
	g := testGroups(t, 1)
	before := make([]bool, clients)
	for _, share := range []Share{Report, 1, 50, 500, 1000, 2500, 5000, 9000, 9999, Enforce} {
		in := 0
		for i := range clients {
			now := g.Enforced(mask(i), share)
			if before[i] && !now {
				t.Fatalf("%s: client %d is no longer in", share, i)
			}
			if before[i] = now; now {
				in++
			}
		}
		// Five standard deviations of a binomial are at most 5*sqrt(n/4).
		if got, want := in, clients*int(share)/10000; max(got-want, want-got) > 354 {
			t.Errorf("%s: %d of %d are in, want %d", share, got, clients, want)
		}
		if share == Report && in != 0 || share == Enforce && in != clients {
			t.Errorf("%s: %d are in", share, in)
		}
	}
}

// Another key makes other groups: without it nobody knows who is in.
func TestGroupsDependOnTheKey(t *testing.T) {
	a, b := testGroups(t, 1), testGroups(t, 2)
	same := 0
	for i := range 10_000 {
		if a.Enforced(mask(i), 5000) == b.Enforced(mask(i), 5000) {
			same++
		}
	}
	if same < 4750 || same > 5250 {
		t.Errorf("%d of 10,000 are in the same group, want half", same)
	}
	if _, err := NewGroups([]byte("short")); err == nil {
		t.Error("a short key was taken")
	}
}

func BenchmarkEnforced(b *testing.B) {
	g, m := testGroups(b, 1), mask(7)
	b.ReportAllocs()
	for b.Loop() {
		g.Enforced(m, 5000)
	}
}

func mustOpen(t *testing.T, s shareddoc.Storage) *Book {
	t.Helper()
	b, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBook(t *testing.T) {
	ctx := t.Context()
	s := &certmagic.FileStorage{Path: t.TempDir()}
	b := mustOpen(t, s)
	if got := b.Share("wiki", 500); got != 500 {
		t.Errorf("configured 5%%, got %s", got)
	}
	step := func(what string, err error, want Share, steps ...Share) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for name, book := range map[string]*Book{"this node": b, "restarted": mustOpen(t, s)} {
			if got := book.Share("wiki", 500); got != want {
				t.Errorf("%s, %s: %s, want %s", what, name, got, want)
			}
			var got []Share
			for _, s := range book.Site("wiki").Steps {
				got = append(got, s.Share)
			}
			if len(got) != len(steps) {
				t.Errorf("%s, %s: steps %v, want %v", what, name, got, steps)
				continue
			}
			for i := range got {
				if got[i] != steps[i] {
					t.Errorf("%s, %s: steps %v, want %v", what, name, got, steps)
				}
			}
		}
	}
	step("noting", b.Note(ctx, "wiki", 500), 500, 500)
	step("noting again", b.Note(ctx, "wiki", 500), 500, 500)
	step("setting", b.Set(ctx, "wiki", Enforce, "admin"), Enforce, 500, Enforce)
	step("a config beside it", b.Note(ctx, "wiki", 700), Enforce, 500, Enforce)
	step("rolling back", b.Set(ctx, "wiki", Report, "admin"), Report, 500, Enforce, Report)
	step("resetting", b.Reset(ctx, "wiki", 500, "admin"), 500, 500, Enforce, Report, 500)
	if got := b.Share("other", 700); got != 700 {
		t.Errorf("another site has %s", got)
	}
	for range MaxSteps {
		for _, share := range []Share{1, 2} {
			if err := b.Set(ctx, "wiki", share, "admin"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(b.Site("wiki").Steps); n != MaxSteps {
		t.Errorf("%d steps are kept", n)
	}
	for name, err := range map[string]error{
		"no site": b.Set(ctx, "", 1, "a"), "nobody": b.Set(ctx, "wiki", 1, ""), "lines": b.Reset(ctx, "wiki", 1, "a\nb"), "long": b.Set(ctx, strings.Repeat("a", 256), 1, "a"),
	} {
		if !errors.Is(err, ErrText) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nodes that change at once lose nothing of each other's.
func TestNodesAtOnce(t *testing.T) {
	s := &certmagic.FileStorage{Path: t.TempDir()}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			b, err := Open(context.Background(), s)
			if err != nil {
				t.Error(err)
				return
			}
			if err := b.Set(context.Background(), strings.Repeat("a", i+1), Share(i), "admin"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	b := mustOpen(t, s)
	for i := range 4 {
		if got := b.Share(strings.Repeat("a", i+1), Enforce); got != Share(i) {
			t.Errorf("site %d has %s", i, got)
		}
	}
}

func TestDamagedOrGoneIsNeverOverwritten(t *testing.T) {
	ctx := t.Context()
	s := &certmagic.FileStorage{Path: t.TempDir()}
	b := mustOpen(t, s)
	if err := b.Set(ctx, "wiki", 500, "admin"); err != nil {
		t.Fatal(err)
	}
	good, err := s.Load(ctx, Key)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]string{
		"cut": string(good[:len(good)-3]), "changed": strings.Replace(string(good), `"5%"`, `"6%"`, 1), "text": "hello",
		"version": strings.Replace(string(good), `"version":1`, `"version":2`, 1), "empty": "",
	} {
		if err := s.Store(ctx, Key, []byte(damage)); err != nil {
			t.Fatal(err)
		}
		_, openErr := Open(ctx, s)
		for what, err := range map[string]error{"opening": openErr, "polling": b.Refresh(ctx), "setting": b.Set(ctx, "wiki", 1, "admin")} {
			if !errors.Is(err, shareddoc.ErrDamaged) || !strings.Contains(err.Error(), "restore "+Key) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		if data, err := s.Load(ctx, Key); err != nil || string(data) != damage {
			t.Errorf("%s: overwritten with %q, %v", name, data, err)
		}
		if got := b.Share("wiki", 1); got != 500 {
			t.Errorf("%s: the last share no longer holds: %s", name, got)
		}
	}
	if err := s.Delete(ctx, Key); err != nil {
		t.Fatal(err)
	}
	if err := b.Set(ctx, "wiki", 1, "admin"); !errors.Is(err, shareddoc.ErrVanished) {
		t.Errorf("gone: %v", err)
	}
	if _, err := s.Load(ctx, Key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written in its place: %v", err)
	}
	if got := b.Share("wiki", 1); got != 500 {
		t.Errorf("gone: the last share no longer holds: %s", got)
	}
}

func FuzzDecode(f *testing.F) {
	share := Share(500)
	good, err := form.Encode(map[string]Site{"wiki": {Override: &share, Steps: []Step{{time.Unix(1, 0).UTC(), 500, "a"}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}\nnull\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sites, err := form.Decode(data)
		if err != nil {
			if !errors.Is(err, shareddoc.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		for _, s := range sites {
			if s.Override != nil && *s.Override > Enforce {
				t.Fatalf("read %d", *s.Override)
			}
		}
	})
}

// failing is a storage whose disk can be taken away.
type failing struct {
	shareddoc.Storage
	broken atomic.Bool
}

var errDisk = errors.New("no such disk")

func (f *failing) Load(ctx context.Context, key string) ([]byte, error) {
	if f.broken.Load() {
		return nil, errDisk
	}
	return f.Storage.Load(ctx, key)
}

func TestFollowAndFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := &certmagic.FileStorage{Path: t.TempDir()}
		s := &failing{Storage: files}
		b, other := mustOpen(t, s), mustOpen(t, files)
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan error, 100)
		var wg sync.WaitGroup
		wg.Go(func() { b.Follow(ctx, 0, func(err error) { told <- err }) })
		for _, share := range []Share{500, Report} {
			if err := other.Set(ctx, "wiki", share, "admin"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(DefaultPoll + time.Second)
			if got := b.Share("wiki", Enforce); got != share {
				t.Errorf("followed to %s, want %s", got, share)
			}
			s.broken.Store(true)
			time.Sleep(time.Minute)
			if n := len(told); n != 1 || !errors.Is(<-told, errDisk) {
				t.Errorf("%d reports of the failure, want one", n)
			}
			if got := b.Share("wiki", Enforce); got != share {
				t.Errorf("while the storage fails: %s, want %s", got, share)
			}
			s.broken.Store(false)
			time.Sleep(time.Minute)
		}
		cancel()
		wg.Wait()
		time.Sleep(time.Minute) // the storage's locks end
	})
}
