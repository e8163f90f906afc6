package boltfile

import (
	"bytes"
	"errors"
)

// elements are those of one page: their headers first, then, without a gap, each
// one's key and value. That there is no gap shows a changed number of elements.
type elements struct {
	page []byte
	next uint64 // where the next data must start
}

func newElements(page []byte, count int) (*elements, error) {
	e := &elements{page: page, next: uint64(headerSize + count*elementSize)}
	if e.next > uint64(len(page)) {
		return nil, errOutside
	}
	return e, nil
}

var errOutside = errors.New("element lies outside of its place")

func (e *elements) header(i int) []byte {
	at := headerSize + i*elementSize
	return e.page[at : at+elementSize]
}

// data returns the bytes that start at a position relative to the header of element i.
func (e *elements) data(i int, at, size uint32) ([]byte, error) {
	from := uint64(headerSize+i*elementSize) + uint64(at)
	if from != e.next || from+uint64(size) > uint64(len(e.page)) {
		return nil, errOutside
	}
	e.next = from + uint64(size)
	return e.page[from:e.next], nil
}

// bucketWalk checks that the keys of one bucket ascend: look-ups rely on it.
type bucketWalk struct {
	top   bool // the file's root, which holds nothing but buckets
	last  []byte
	equal bool // the next key may be last itself: it came from a branch
	any   bool
}

func (b *bucketWalk) next(key []byte) error { return b.step(key, false) }

// from takes the least key that may follow, which stands in a branch.
func (b *bucketWalk) from(key []byte) error { return b.step(key, true) }

func (b *bucketWalk) step(key []byte, branch bool) error {
	if c := bytes.Compare(key, b.last); b.any && (c < 0 || c == 0 && !b.equal) {
		return errors.New("keys out of order")
	}
	b.last, b.equal, b.any = key, branch, true
	return nil
}
