package linkage

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

const day = 24 * time.Hour

// hourly is how active a wiki's readers are, hour by hour of their day; only the
// proportions count.
var hourly = [24]float64{
	2.9, 2.0, 1.4, 1.1, 1.0, 1.1, 1.6, 2.5, 3.5, 4.3, 4.8, 5.0,
	4.9, 5.1, 5.4, 5.5, 5.5, 5.4, 5.4, 5.6, 5.9, 5.9, 5.2, 4.0,
}

// activity is the activity at a time of the day, 1 on average. Times before and
// after the day belong to days like it.
func activity(at time.Duration) float64 {
	at = ((at % day) + day) % day
	return hourly[at/time.Hour] / hourlyMean
}

var hourlyMean = func() (mean float64) {
	for _, w := range hourly {
		mean += w / 24
	}
	return mean
}()

// weighted draws indexes in proportion to weights.
type weighted struct {
	sums []float64
}

func newWeighted(n int, weight func(i int) float64) weighted {
	sums, sum := make([]float64, n), 0.0
	for i := range sums {
		sum += weight(i)
		sums[i] = sum
	}
	return weighted{sums}
}

func (w weighted) draw(r *rand.Rand) int {
	x := r.Float64() * w.sums[len(w.sums)-1]
	return min(sort.SearchFloat64s(w.sums, x), len(w.sums)-1)
}

// share is the chance of an index.
func (w weighted) share(i int) float64 {
	below := 0.0
	if i > 0 {
		below = w.sums[i-1]
	}
	return (w.sums[i] - below) / w.sums[len(w.sums)-1]
}

// lognormal is a distribution of times: exp(normal(log median, sigma)).
type lognormal struct {
	median time.Duration
	sigma  float64
}

// lognormalOfMean has the mean in place of the median.
func lognormalOfMean(mean time.Duration, sigma float64) lognormal {
	return lognormal{time.Duration(float64(mean) * math.Exp(-sigma*sigma/2)), sigma}
}

func (l lognormal) draw(r *rand.Rand) time.Duration {
	return time.Duration(float64(l.median) * math.Exp(l.sigma*r.NormFloat64()))
}

// density is the chance per second of a time, 0 for what isn't positive.
func (l lognormal) density(t time.Duration) float64 {
	if t <= 0 {
		return 0
	}
	s := t.Seconds()
	z := math.Log(s/l.median.Seconds()) / l.sigma
	return math.Exp(-z*z/2) / (s * l.sigma * math.Sqrt(2*math.Pi))
}

// geometric draws a count of 1 or more with the given mean.
func geometric(r *rand.Rand, mean float64) int {
	n := 1
	for mean > 1 && r.Float64() < 1-1/mean {
		n++
	}
	return n
}

// poisson draws a count. For the large means of a day its normal limit does.
func poisson(r *rand.Rand, mean float64) int {
	if mean > 500 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	n, p, limit := 0, r.Float64(), math.Exp(-mean)
	for p > limit {
		p *= r.Float64()
		n++
	}
	return n
}

// uniform draws a time from low to high.
func uniform(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Float64()*float64(high-low))
}

// when draws a moment from start to end as active readers are then.
func when(r *rand.Rand, start, end time.Duration) time.Duration {
	for {
		at := uniform(r, start, end)
		if r.Float64()*6/hourlyMean < activity(at) { // 6 is above all of hourly
			return at
		}
	}
}
