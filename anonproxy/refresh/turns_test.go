package refresh

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkRefreshQueue(b *testing.B) {
	var list []string
	for i := range 100_000 {
		list = append(list, fmt.Sprint("/page/", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		var q turns
		q.declare(list, nil, time.Now(), time.Millisecond)
		q.declare(list, nil, time.Now(), time.Millisecond)
	}
}
