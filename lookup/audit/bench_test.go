package audit

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
)

// BenchmarkAppend is what a look-up waits for the audit: alone, and with a hundred others at once.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 100} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l := mustOpen(b, logPath(b))
			defer mustClose(b, l)
			b.ReportAllocs()
			b.SetParallelism(callers)
			var n atomic.Int64
			if callers == 1 {
				for b.Loop() {
					mustAppend(b, l, info(fmt.Sprint(n.Add(1)), 1))
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := l.Append(context.Background(), info(fmt.Sprint(n.Add(1)), 1)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkVerify is for 100,000 entries: without keys as at each start, and with them.
func BenchmarkVerify(b *testing.B) {
	path := logPath(b)
	l := mustOpen(b, path)
	batch := make([]*request, 0, 100_000)
	for i := range cap(batch) {
		batch = append(batch, &request{ctx: b.Context(), entry: info(fmt.Sprint(i), 1), answer: make(chan answer, 1)})
	}
	if err := l.do(b.Context(), func() error { l.commit(batch); return nil }); err != nil {
		b.Fatal(err)
	}
	mustClose(b, l)
	for name, options := range map[string]VerifyOptions{"chain": {}, "content": {Keys: testKeys(b, 1)}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				store, err := OpenBoltReadOnly(path)
				if err != nil {
					b.Fatal(err)
				}
				if r, err := Verify(store, options); err != nil || r.Entries != 100_000 {
					b.Fatal(r, err)
				}
				mustClose(b, store)
			}
		})
	}
}
