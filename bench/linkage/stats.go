package linkage

import (
	"cmp"
	"math"
	"slices"
)

// Estimate is a mean over days with its 95 % confidence interval.
type Estimate struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// tally counts one day's guesses.
type tally struct{ right, all float64 }

// precision is the share of right guesses. The interval is Student's over the
// days; where all days are alike, and so tell nothing of their spread, it is
// Wilson's over the guesses.
func precision(days []tally) Estimate {
	var sum tally
	shares := make([]float64, 0, len(days))
	for _, t := range days {
		sum.right += t.right
		sum.all += t.all
		shares = append(shares, t.right/max(1, t.all))
	}
	mean := sum.right / max(1, sum.all)
	half := halfWidth(shares)
	if half == 0 {
		low, high := wilson(sum.right, sum.all)
		return Estimate{mean, low, high}
	}
	return Estimate{mean, max(0, mean-half), min(1, mean+half)}
}

// ratio is that of the means of two series over the same days, with the interval
// of the delta method. Without a base there is none.
func ratio(a, base []tally) *Estimate {
	pa, pb := precision(a).Mean, precision(base).Mean
	if pb == 0 {
		return nil
	}
	r := pa / pb
	rest := make([]float64, len(a))
	for i := range a {
		rest[i] = (a[i].right/max(1, a[i].all) - r*base[i].right/max(1, base[i].all)) / pb
	}
	half := halfWidth(rest)
	return &Estimate{r, max(0, r-half), r + half}
}

// halfWidth is half the 95 % confidence interval of a mean; 0 for fewer than two values.
func halfWidth(x []float64) float64 {
	n := float64(len(x))
	if n < 2 {
		return 0
	}
	mean, squares := 0.0, 0.0
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return student(n-1) * math.Sqrt(squares/(n-1)/n)
}

// student is the 97.5 % quantile of Student's distribution: exact for up to two
// degrees of freedom, then to less than 1 % by the series of Cornish and Fisher.
func student(freedom float64) float64 {
	const z = 1.959964
	switch freedom {
	case 1:
		return 12.7062
	case 2:
		return 4.3027
	}
	f := freedom
	return z + (math.Pow(z, 3)+z)/(4*f) + (5*math.Pow(z, 5)+16*math.Pow(z, 3)+3*z)/(96*f*f) +
		(3*math.Pow(z, 7)+19*math.Pow(z, 5)+17*math.Pow(z, 3)-15*z)/(384*f*f*f)
}

// wilson is the 95 % interval of a share of n.
func wilson(right, n float64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964
	p, zz := right/n, z*z
	mid := (p + zz/(2*n)) / (1 + zz/n)
	half := z / (1 + zz/n) * math.Sqrt(p*(1-p)/n+zz/(4*n*n))
	return max(0, mid-half), min(1, mid+half)
}

// Threshold is the adversary's choice of when to speak.
type Threshold struct {
	Confidence float64  `json:"confidence"` // at least this, or they are silent
	Speaks     float64  `json:"speaks"`     // of this share of the edits
	Precision  Estimate `json:"precision"`  // when they speak
}

const (
	// leastSpoken is the share of edits for which the adversary must guess in any case:
	// to be right about one edit and silent about all others is no attack.
	leastSpoken = 0.05
	// sure is the precision from which on the adversary counts as sure.
	sure = 0.9
)

// thresholds are the adversary's two best choices: the one with the best precision,
// and the one that speaks most often while its guesses are still sure. Both are chosen
// by these very guesses, and so are a bit better than anybody could have known beforehand.
func thresholds(guesses []Guess) (best, widest Threshold) {
	sorted := slices.Clone(guesses)
	slices.SortStableFunc(sorted, func(a, b Guess) int { return cmp.Compare(b.Confidence, a.Confidence) })
	right, n := 0.0, float64(len(sorted))
	for i, g := range sorted {
		if g.Right {
			right++
		}
		if i+1 < len(sorted) && sorted[i+1].Confidence == g.Confidence {
			continue // these can't be told apart
		}
		said := float64(i + 1)
		low, high := wilson(right, said)
		t := Threshold{g.Confidence, said / n, Estimate{right / said, low, high}}
		if t.Speaks >= leastSpoken && t.Precision.Mean > best.Precision.Mean {
			best = t
		}
		if t.Precision.Mean >= sure {
			widest = t
		}
	}
	return best, widest
}
