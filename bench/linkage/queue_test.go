package linkage

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// FuzzQueue compares the queue with a sorted list: each byte is a push (at the
// byte's time, so that many are equal) or, if odd, a pop of what is due by then.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{8, 8, 8, 2, 255, 255, 255, 255})
	f.Add([]byte{1, 6, 4, 2, 3, 0, 255, 10, 11, 255})
	r := rand.New(rand.NewPCG(1, 1))
	for range 5 {
		ops := make([]byte, 1000)
		for i := range ops {
			ops[i] = byte(r.Uint32())
		}
		f.Add(ops)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		type item struct {
			at time.Duration
			n  int
		}
		var q queue[int]
		var want []item
		for n, op := range ops {
			at := time.Duration(op)
			if op%2 == 0 {
				q.push(at, n)
				// Behind all of the same time: the order of equals is that of arrival.
				i, _ := slices.BinarySearchFunc(want, at, func(a item, at time.Duration) int {
					if a.at <= at {
						return -1
					}
					return 1
				})
				want = slices.Insert(want, i, item{at, n})
				continue
			}
			gotAt, got, ok := q.popUntil(at)
			if due := len(want) > 0 && want[0].at <= at; ok != due {
				t.Fatalf("step %d: something was popped: %v; something was due: %v", n, ok, due)
			}
			if !ok {
				continue
			}
			if gotAt != want[0].at || got != want[0].n {
				t.Fatalf("step %d: popped %d of time %d, want %v", n, got, gotAt, want[0])
			}
			want = want[1:]
		}
		if len(q.items) != len(want) {
			t.Fatalf("%d things are left, want %d", len(q.items), len(want))
		}
	})
}

func BenchmarkQueue(b *testing.B) {
	b.ReportAllocs()
	var q queue[*flight]
	r := rand.New(rand.NewPCG(1, 1))
	f := new(flight)
	for range 100 {
		q.push(time.Duration(r.Int64N(1000)), f)
	}
	for b.Loop() {
		at, f, _ := q.popUntil(1 << 62)
		q.push(at+time.Duration(r.Int64N(1000)), f)
	}
}
