package blocks

import (
	"fmt"
	"net/netip"
	"testing"
)

// BenchmarkMatch is what each request costs: a client with its own mask, two ranges, a named
// network, and the same of an older epoch.
func BenchmarkMatch(b *testing.B) {
	client := []netip.Addr{mask(1 << 20), networkMask(1), networkMask(2), networkMask(3),
		mask(1<<20 + 1), networkMask(4), networkMask(5), networkMask(6)}
	for _, n := range []int{0, 10, 100_000} {
		l := mustOpen(b, files(b))
		add := make([]Block, 0, n)
		for i := range n {
			add = append(add, Block{Mask: mask(i), By: "1", Reason: "open proxy"})
		}
		mustAdd(b, l, add...)
		b.Run(fmt.Sprintf("miss/blocks=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if blocked(l, client...) {
					b.Fatal("blocked")
				}
			}
		})
		if n == 0 {
			continue
		}
		hit := append([]netip.Addr{mask(n / 2)}, client...)
		b.Run(fmt.Sprintf("hit/blocks=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !blocked(l, hit...) {
					b.Fatal("not blocked")
				}
			}
		})
		b.Run(fmt.Sprintf("miss/contended/blocks=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if blocked(l, client...) {
						b.Error("blocked")
					}
				}
			})
		})
	}
}

// BenchmarkRead is a poll at 100,000 blocks: of an unchanged list and of a changed one.
func BenchmarkRead(b *testing.B) {
	s := files(b)
	l := mustOpen(b, s)
	add := make([]Block, 0, 100_000)
	for i := range cap(add) {
		add = append(add, Block{Mask: mask(i), By: "1", Reason: "open proxy"})
	}
	mustAdd(b, l, add...)
	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := l.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("changed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if mustOpen(b, s).Len() != cap(add) {
				b.Fatal("wrong length")
			}
		}
	})
}
