// Package testutil has what tests of several packages need. Nothing else may import it.
package testutil

import (
	"testing"
	"time"
)

// Eventually polls until ok, for what other goroutines and processes do.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// Slow leaves a test out of `make quick` (go test -short): one that starts programs, or takes more than a second or two.
func Slow(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out by -short")
	}
}
