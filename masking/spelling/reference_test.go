package spelling

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var randomTexts = flag.Int("texts", 20_000, "random `number` of texts that a fast way must treat as the slow one does")

// everywhere is Next as it would be if an address could begin at any byte.
func everywhere(text string, from int) (Found, bool) {
	for i := from; i < len(text); i++ {
		addr, end := scanAddr(text, i)
		if end == 0 {
			continue
		}
		f := Found{Addr: addr, At: i, Start: i}
		f.End, _ = scanPort(text, &f.Start, end)
		return f, true
	}
	return Found{}, false
}

func checkNext(t *testing.T, text string) {
	for from := 0; from <= len(text); from++ {
		got, ok := Next(text, from)
		want, found := everywhere(text, from)
		if got != want || ok != found {
			t.Fatalf("in %q, the next from %d is %+v, %v, want %+v, %v", text, from, got, ok, want, found)
		}
	}
}

// randomText is of what addresses consist of, mostly.
func randomText(random *rand.Rand) string {
	const likely = "0123456789abcdefABF.:::..%%33AaxX[]-/ \"\\unz_\x00\xff"
	pieces := []string{"127.0.0.1", "2001:db8::1", "::", "%3A", "%3a%3A", "%25", "::ffff:", "1:2:3:4:5:6:7:8", ":443", `\u0022`, "fe80::1%eth0", "255", "000192"}
	var text []byte
	for range random.IntN(24) {
		if random.IntN(4) == 0 {
			text = append(text, pieces[random.IntN(len(pieces))]...)
		} else {
			text = append(text, likely[random.IntN(len(likely))])
		}
	}
	return string(text)
}

// Next finds what reading each byte finds.
func TestNextIsFoundEverywhere(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range *randomTexts {
		checkNext(t, randomText(random))
	}
	for _, addr := range clients {
		for _, text := range spellingsOf(addr) {
			checkNext(t, text)
		}
	}
}

func FuzzNext(f *testing.F) {
	for _, addr := range clients {
		for _, text := range spellingsOf(addr) {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) { checkNext(t, text) })
}
