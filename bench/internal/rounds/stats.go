package rounds

import "slices"

// Summary is a median with the quartiles around it: half of the values lie between Low and High.
type Summary struct{ Median, Low, High float64 }

// Of sums values up. Without any it is all zero.
func Of(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Summary{quantile(sorted, 0.5), quantile(sorted, 0.25), quantile(sorted, 0.75)}
}

// Ratios divides what was measured in the same rounds, so that what else the machine did then meets both.
func Ratios(ours, others []float64) []float64 {
	ratios := make([]float64, 0, len(ours))
	for i := range min(len(ours), len(others)) {
		if others[i] != 0 {
			ratios = append(ratios, ours[i]/others[i])
		}
	}
	return ratios
}

// quantile interpolates between the two values around it (R's type 7, as spreadsheets do).
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}
