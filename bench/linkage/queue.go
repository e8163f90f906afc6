package linkage

import "time"

// queue is a priority queue of what happens when. Things of the same time come
// out in the order in which they went in, so that a day's course depends on
// nothing but its seed.
type queue[T any] struct {
	items []queued[T]
	next  uint64
}

type queued[T any] struct {
	at    time.Duration
	seq   uint64
	value T
}

func (a queued[T]) before(b queued[T]) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

// push adds what happens at a time.
func (q *queue[T]) push(at time.Duration, value T) {
	q.items = append(q.items, queued[T]{at, q.next, value})
	q.next++
	i := len(q.items) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !q.items[i].before(q.items[parent]) {
			return
		}
		q.items[i], q.items[parent] = q.items[parent], q.items[i]
		i = parent
	}
}

// popUntil takes out the first thing if it happens at the given time or before.
func (q *queue[T]) popUntil(end time.Duration) (at time.Duration, value T, ok bool) {
	if len(q.items) == 0 || q.items[0].at > end {
		return 0, value, false
	}
	first := q.items[0]
	last := len(q.items) - 1
	q.items[0] = q.items[last]
	q.items[last] = queued[T]{} // so that nothing is kept alive
	q.items = q.items[:last]
	q.down(0)
	return first.at, first.value, true
}

func (q *queue[T]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(q.items) {
			return
		}
		if child+1 < len(q.items) && q.items[child+1].before(q.items[child]) {
			child++
		}
		if !q.items[child].before(q.items[i]) {
			return
		}
		q.items[i], q.items[child] = q.items[child], q.items[i]
		i = child
	}
}
