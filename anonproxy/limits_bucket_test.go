package anonproxy

import (
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestBucket(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	rate := noticeboard.Rate{Count: 6, Per: time.Minute}
	taken := func(b *bucket, r noticeboard.Rate, at time.Duration) (n int) {
		for n < 10_000 && b.take(r, start.Add(at)) == 0 {
			n++
		}
		return n
	}
	t.Run("the count at once, then evenly", func(t *testing.T) {
		var b bucket
		for _, step := range []struct {
			at   time.Duration
			want int
		}{{0, 6}, {9 * time.Second, 0}, {10 * time.Second, 1}, {30 * time.Second, 2}, {time.Hour, 6}} {
			if n := taken(&b, rate, step.at); n != step.want {
				t.Errorf("at %v %d are taken, want %d", step.at, n, step.want)
			}
		}
		if wait := b.take(rate, start.Add(time.Hour+3*time.Second)); wait != 7*time.Second {
			t.Errorf("to wait %v, want 7s", wait)
		}
	})
	t.Run("exact for any count", func(t *testing.T) {
		for _, count := range []int{1, 7, 9999} {
			var b bucket
			if n := taken(&b, noticeboard.Rate{Count: count, Per: time.Second}, 0); n != count {
				t.Errorf("%d of %d are taken at once", n, count)
			}
		}
	})
	t.Run("given back", func(t *testing.T) {
		var b bucket
		taken(&b, rate, 0)
		b.giveBack(rate, 1)
		if n := taken(&b, rate, 0); n != 1 {
			t.Errorf("%d are taken of one given back", n)
		}
		var fresh bucket
		fresh.take(rate, start)
		fresh.giveBack(rate, 1)
		if n := taken(&fresh, rate, time.Hour); n != 6 {
			t.Errorf("%d are taken, want no more than the count", n)
		}
	})
	t.Run("debt is paid, and bounded", func(t *testing.T) {
		var b bucket
		taken(&b, rate, 0)
		b.owe(rate, start)
		if wait := b.wait(rate, start); wait != 20*time.Second {
			t.Errorf("to wait %v, want 20s", wait)
		}
		for range 1000 {
			b.owe(rate, start)
		}
		if wait := b.wait(rate, start); wait > 2*time.Minute {
			t.Errorf("to wait %v after many", wait)
		}
	})
	t.Run("another rate under it", func(t *testing.T) {
		var b bucket
		slow := noticeboard.Rate{Count: 2, Per: 24 * time.Hour}
		taken(&b, slow, 0)
		fast := noticeboard.Rate{Count: 60, Per: time.Minute}
		if wait := b.wait(fast, start); wait > 2*time.Minute {
			t.Errorf("a raised rate is to wait %v", wait)
		}
		if n := taken(&b, fast, time.Minute+10*time.Second); n != 10 {
			t.Errorf("%d are taken after it has refilled for 10s", n)
		}
	})
	t.Run("no rate", func(t *testing.T) {
		var b bucket
		if n := taken(&b, noticeboard.Rate{}, 0); n != 10_000 {
			t.Errorf("%d are taken without a rate", n)
		}
	})
}
