package reports

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// The sketch's size. Of T reports in it, an estimate is more than e/width * T, that
// is T/753, too large with a probability of at most exp(-rows), 1.8 %.
const (
	sketchRows  = 4
	sketchWidth = 2048
)

// A sketch is a Count-Min sketch (Cormode and Muthukrishnan): it never estimates
// less than was added, and sketches of one secret add up.
type sketch struct {
	secret []byte
	cells  []uint32 // row by row
}

func newSketch(secret []byte) *sketch {
	return &sketch{secret, make([]uint32, sketchRows*sketchWidth)}
}

// sketchID tells one secret's sketches from another's.
func sketchID(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("id"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// places returns a key's cells. The hash is keyed, or a stranger could choose hosts
// that raise the estimate of another one.
func (s *sketch) places(key Report) (at [sketchRows]int) {
	mac := hmac.New(sha256.New, s.secret)
	for _, text := range []string{key.Directive, key.Blocked, key.Gadget, key.Page, string(key.Disposition)} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		mac.Write([]byte(text))
	}
	sum := mac.Sum(nil)
	for row := range at {
		at[row] = row*sketchWidth + int(binary.BigEndian.Uint64(sum[8*row:])%sketchWidth)
	}
	return at
}

func (s *sketch) add(key Report, n uint64) {
	for _, at := range s.places(key) {
		s.cells[at] = saturated(s.cells[at], n)
	}
}

func (s *sketch) estimate(key Report) uint64 {
	least := uint64(math.MaxUint32)
	for _, at := range s.places(key) {
		least = min(least, uint64(s.cells[at]))
	}
	return least
}

func (s *sketch) merge(o *sketch) {
	for i, n := range o.cells {
		s.cells[i] = saturated(s.cells[i], uint64(n))
	}
}

// saturated is a+n, or the most there is.
func saturated(a uint32, n uint64) uint32 {
	return uint32(min(uint64(a)+min(n, math.MaxUint32), math.MaxUint32))
}
