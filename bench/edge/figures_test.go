package main

import (
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/bench/internal/rounds"
)

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		found rounds.Summary
		bound bound
		want  verdict
	}{
		{rounds.Summary{Median: 1, Low: 0.9, High: 1.1}, atLeast(1), holds},
		{rounds.Summary{Median: 0.95, Low: 0.9, High: 1}, atLeast(1), within},
		{rounds.Summary{Median: 0.95, Low: 0.9, High: 0.99}, atLeast(1), missed},
		{rounds.Summary{Median: 1, Low: 0.9, High: 1.1}, atMost(1), holds},
		{rounds.Summary{Median: 1.05, Low: 1, High: 1.1}, atMost(1), within},
		{rounds.Summary{Median: 1.05, Low: 1.01, High: 1.1}, atMost(1), missed},
		{rounds.Summary{}, bound{}, unbound},
		{rounds.Summary{}, atLeast(1), missed}, // nothing was measured
		{rounds.Summary{}, atMost(1), missed},
	} {
		if got := (figure{found: tt.found, bound: tt.bound}).verdict(); got != tt.want {
			t.Errorf("%+v, must be %s: %q, want %q", tt.found, tt.bound, got, tt.want)
		}
	}
}

func TestWhatMissesIsNamed(t *testing.T) {
	close := figure{of: "edge", against: "bare", measure: "rate", found: rounds.Summary{Median: 0.9, Low: 0.8, High: 1.2}, bound: atLeast(1)}
	far := figure{of: "edge", against: "bare", measure: "CPU", found: rounds.Summary{Median: 2, Low: 1.5, High: 3}, bound: atMost(1.25)}
	if err := (report{{row: "pages", figures: []figure{close}}}).missed(); err != nil {
		t.Error(err)
	}
	err := report{{row: "pages", figures: []figure{close, far}}, {row: "tools"}}.missed()
	if err == nil || err.Error() != "pages: edge against bare, CPU: 2.00 (1.50–3.00), must be ≤ 1.25" {
		t.Error(err)
	}
}

func TestHeaderWork(t *testing.T) {
	got, err := headerWork("127.0.0.1:1", map[string]string{"Content-Security-Policy": "default-src 'none'"})
	if err != nil || !strings.Contains(got, "header Content-Security-Policy `default-src 'none'`\n") || strings.Count(got, "header_up -") != 11 {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := headerWork("127.0.0.1:1", map[string]string{"X": "{http.request.uri}"}); err == nil {
		t.Error("a placeholder is taken")
	}
}
