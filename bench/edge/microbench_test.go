package main

import (
	"maps"
	"slices"
	"testing"
)

func TestReadBenchmarks(t *testing.T) {
	got := readBenchmarks([]byte("goos: linux\nBenchmarkA/x_y/single-2   \t 100\t 450.5 ns/op\t 208 B/op\t 1 allocs/op\nBenchmarkB 	7	 2000 ns/op\n" +
		"BenchmarkA/x_y/single-2 \t 100 \t 500 ns/op\nPASS\nok \tpkg\t1.2s\n"))
	want := map[string][]float64{"BenchmarkA/x_y/single": {0.4505, 0.5}, "BenchmarkB": {2}}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%v, want %v", got, want)
	}
}
