package rounds

import (
	"slices"
	"testing"
)

func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   Summary
	}{
		{nil, Summary{}},
		{[]float64{3}, Summary{3, 3, 3}},
		{[]float64{4, 1}, Summary{2.5, 1.75, 3.25}},
		{[]float64{5, 1, 100, 2, 4}, Summary{4, 2, 5}},
	} {
		given := slices.Clone(tt.values)
		if got := Of(tt.values); got != tt.want || !slices.Equal(given, tt.values) {
			t.Errorf("%v: %v, want %v; then %v", given, got, tt.want, tt.values)
		}
	}
}

func TestRatiosAreOfTheSameRounds(t *testing.T) {
	if got := Ratios([]float64{2, 9, 5}, []float64{4, 3, 0}); !slices.Equal(got, []float64{0.5, 3}) {
		t.Error(got)
	}
}
