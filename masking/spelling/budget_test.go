package spelling

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// seer looks for a word.
type seer struct {
	word string
	seen bool
}

func (*seer) V4(uint32) bool              { return false }
func (*seer) V6(uint64, uint64, int) bool { return false }

func (r *seer) Text(v View) bool {
	r.seen = r.seen || strings.Contains(v.Text, r.word)
	return false
}

// However much a text costs, what isn't looked at is told: else a text could be made to cost just what it may.
func TestWhatIsNotLookedAtIsTold(t *testing.T) {
	const word = "who-it-is"
	encoded := base64.RawURLEncoding.EncodeToString([]byte(`{"u":"` + word + `"}`))
	for name, text := range map[string]string{
		"base64": encoded, "base64 at another place": "a" + encoded, "at the next": "ab" + encoded, "at the last": "abc" + encoded,
		"short base64": base64.RawURLEncoding.EncodeToString([]byte(word)),
		"hex":          hex.EncodeToString([]byte(word)), "hex at an odd place": "a" + hex.EncodeToString([]byte(word)),
		"escapes": "%77ho-it-is", "escaped base64": "%" + hex.EncodeToString([]byte(encoded[:1])) + encoded[1:],
	} {
		seen := false
		for budget := range 1000 {
			r := &seer{word: word}
			s := &scanner{to: r, reader: r, whole: true, budget: budget}
			s.scan(text, 0)
			if seen = r.seen; !seen && s.budget >= 0 {
				t.Errorf("%s: not seen with %d, and not told", name, budget)
			}
		}
		if !seen {
			t.Errorf("%s: never seen", name)
		}
	}
}
