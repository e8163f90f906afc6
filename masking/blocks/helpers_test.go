package blocks

import (
	"context"
	"net/netip"
	"testing"

	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
)

func TestMain(m *testing.M) {
	// certmagic's file lock ends its goroutine some seconds after the lock.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

func mask(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x00, 0x2f, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
}

func networkMask(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x00, 0x2e, 14: byte(n >> 8), 15: byte(n)})
}

func files(t testing.TB) *certmagic.FileStorage { return &certmagic.FileStorage{Path: t.TempDir()} }

func mustOpen(t testing.TB, s shareddoc.Storage) *List {
	t.Helper()
	l, err := Open(context.Background(), s, trustedclock.New())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustAdd(t testing.TB, l *List, add ...Block) {
	t.Helper()
	if err := l.Add(context.Background(), add...); err != nil {
		t.Fatal(err)
	}
}

func blocked(l *List, masks ...netip.Addr) bool {
	_, ok := l.Match(masks)
	return ok
}
