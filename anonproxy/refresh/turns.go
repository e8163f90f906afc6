package refresh

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// turn is a path that is asked for again and again.
type turn struct {
	entry string    // as declared
	due   time.Time // when next
	asked uint8     // how often it was answered, 2 for more
	gone  bool      // no longer declared
}

// turns is a heap of them by time.
type turns []*turn

func (q turns) Len() int           { return len(q) }
func (q turns) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q turns) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *turns) Push(x any) { *q = append(*q, x.(*turn)) }

// Pop implements heap.Interface.
func (q *turns) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return t
}

// declare makes the queue hold these entries, next to those under way. Those that it
// has keep their time; others come within a span from now, in random order.
func (q *turns) declare(entries []string, underWay map[*turn]struct{}, now time.Time, gap time.Duration) {
	have := make(map[string]*turn, len(*q)+len(underWay))
	for _, t := range *q {
		have[t.entry] = t
	}
	for t := range underWay {
		t.gone = true
		have[t.entry] = t
	}
	next := make(turns, 0, len(entries))
	seen := make(map[*turn]struct{}, len(have))
	var news []*turn
	for _, entry := range entries {
		t := have[entry]
		if t == nil {
			t = &turn{entry: entry}
			have[entry] = t
			news = append(news, t)
		}
		if _, twice := seen[t]; twice {
			continue
		}
		seen[t] = struct{}{}
		if _, busy := underWay[t]; busy { // the entry of such a one is being read
			t.gone = false
			continue
		}
		t.entry = entry // lets go of the text that the other was part of
		next = append(next, t)
	}
	spread(news, now, gap)
	heap.Init(&next)
	*q = next
}

// restart has all entries asked for as if they were new.
func (q *turns) restart(now time.Time, gap time.Duration) {
	for _, t := range *q {
		t.asked = 0
	}
	spread(*q, now, gap)
	heap.Init(q)
}

// spread puts a first round: evenly from now on, in random order.
func spread(list []*turn, now time.Time, gap time.Duration) {
	for i, place := range rand.Perm(len(list)) {
		list[i].due = now.Add(time.Duration(place)*gap + rand.N(gap))
	}
}

// next counts an answer, and returns the time to the one after.
func (t *turn) next(every, fresh time.Duration) time.Duration {
	span := spanOf(every, fresh)
	if t.asked++; t.asked == 1 {
		return span/10 + rand.N(span-span/10) // the first round came faster; from here on they are spread
	}
	t.asked = 2
	if every > 0 {
		return jittered(every)
	}
	return span - span/20 - rand.N(span/20)
}

// spanOf is the time between two requests for a path.
func spanOf(every, fresh time.Duration) time.Duration {
	if every > 0 {
		return every
	}
	return min(max(fresh, minSpan), maxSpan)
}

// untilRetry is the time after which a path is tried again that gave an error.
func untilRetry(every time.Duration) time.Duration {
	again := 10 * minSpan
	if every > 0 {
		again = min(every, again)
	}
	return jittered(again)
}

// servesAfter is for how long an answer serves after its lifetime: until it is twice
// as old as the operator has it refreshed, or where they don't say, as long as its
// refresh may be late.
func servesAfter(every, fresh time.Duration) time.Duration {
	switch {
	case every > 0:
		return max(0, 2*every-fresh)
	case fresh == 0:
		return 0
	}
	span := spanOf(0, fresh)
	return max(0, span-fresh) + min(span, maxLate)
}

// jittered is about a span: the mean is just that.
func jittered(span time.Duration) time.Duration {
	return span - span/32 + rand.N(span/16)
}
