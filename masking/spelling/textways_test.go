package spelling

import (
	"math/rand/v2"
	"testing"
)

// A way that textWays leaves out has no text of the least size, be it at the run's start or at its end.
func TestTextWays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		run := make([]byte, 4+random.IntN(24))
		for i := range run {
			run[i] = alphabet[random.IntN(len(alphabet))]
		}
		s := &scanner{wide: byte(random.IntN(2))}
		ways := s.textWays(string(run))
		for skip := range 4 {
			longest, n, window, bits := 0, 0, 0, 0
			for _, digit := range run[skip:] {
				window = window<<6 | int(base64Digits[digit])
				if bits += 6; bits < 8 {
					continue
				}
				bits -= 8
				if n++; !s.isText(byte(window >> bits)) {
					n = 0
				}
				longest = max(longest, n)
			}
			if longest >= minText && !ways[skip] {
				t.Fatalf("%q, wide %d: the text behind %d digits is left out", run, s.wide, skip)
			}
		}
	}
}
