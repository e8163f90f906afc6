package anonproxy

import (
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/canary"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// A pseudonym is the one thing in which requests differ: it is named, and its value left out.
func TestCanaryShowsPseudonyms(t *testing.T) {
	if PseudonymHeader != canary.PseudonymHeader {
		t.Fatalf("the proxy sends %s, the canary looks for %s", PseudonymHeader, canary.PseudonymHeader)
	}
	declared := canaryTool("https://maps.example.org")
	declared.Pseudonym = true
	key := []byte("0123456789abcdef0123456789abcdef")
	tool, result := runCanary(t, declared, Config{Pseudonym: func(tool *noticeboard.Tool, reader Reader, now time.Time) string {
		return Pseudonym(key, now, tool, reader.Client)
	}}, nil)
	if err := signed(t, tool, result).Verify(canary.Expect{Now: time.Now(), Declared: tool}); err != nil {
		t.Error(err)
	}
	if result.Pseudonym != PseudonymHeader {
		t.Errorf("it is named %q", result.Pseudonym)
	}
}
