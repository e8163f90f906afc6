package mask

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Case 14: nor does the matcher take a list that Caddy cuts.
func TestCase14MatcherOfALongList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.txt")
	if err := os.WriteFile(path, bytes.Repeat([]byte("192.0.2.0/24\n"), 1<<20/10), 0o600); err != nil {
		t.Fatal(err)
	}
	err := (&MatchOriginalClientIP{Ranges: []string{"{file." + path + "}"}}).parse()
	if err == nil || !strings.Contains(err.Error(), "as far as Caddy reads a file") || len(err.Error()) > 500 {
		t.Errorf("%.500v", err)
	}
}
