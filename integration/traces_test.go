//go:build integration

package integration

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// spellings returns the forms in which software writes an address, in lower case.
func spellings(addr netip.Addr) []string {
	if addr.Is4() {
		b := addr.As4()
		h := hex.EncodeToString(b[:])
		return []string{
			addr.String(),
			strings.ReplaceAll(addr.String(), ".", "-"),
			fmt.Sprintf("%d.%d.%d.%d.in-addr", b[3], b[2], b[1], b[0]),
			h, // MediaWiki's tables of blocks
			fmt.Sprintf("%s:%s", h[:4], h[4:]),
			strings.TrimLeft(h[:4], "0") + ":" + strings.TrimLeft(h[4:], "0"), // the mapped address's end
			fmt.Sprint(binary.BigEndian.Uint32(b[:])),
		}
	}
	b := addr.As16()
	groups := make([]string, 8)
	for i := range groups {
		groups[i] = fmt.Sprintf("%x", binary.BigEndian.Uint16(b[2*i:]))
	}
	return []string{addr.String(), strings.Join(groups, ":"), addr.StringExpanded(), hex.EncodeToString(b[:])}
}

// findTrace looks for an address in any spelling and case, and quotes the place.
func findTrace(in []byte, addr netip.Addr) (quote string, found bool) {
	return findInLower(bytes.ToLower(in), addr)
}

func findInLower(lower []byte, addr netip.Addr) (quote string, found bool) {
	for _, s := range spellings(addr) {
		if i := bytes.Index(lower, []byte(s)); i >= 0 {
			return fmt.Sprintf("%q", lower[max(0, i-100):min(len(lower), i+len(s)+40)]), true
		}
	}
	return "", false
}

// wantNoTrace asserts that none of the addresses is there in any spelling.
func wantNoTrace(t *testing.T, where string, in []byte, addrs ...netip.Addr) {
	t.Helper()
	lower := bytes.ToLower(in)
	for _, addr := range addrs {
		if quote, found := findInLower(lower, addr); found {
			t.Errorf("%s is in %s: %s", addr, where, quote)
		}
	}
}

// wantTrace asserts that an address is there: the search finds what there is.
func wantTrace(t *testing.T, where string, in []byte, addr netip.Addr) {
	t.Helper()
	if _, found := findTrace(in, addr); !found {
		t.Errorf("%s is not in %s (%d bytes)", addr, where, len(in))
	}
}

// filesUnder returns the bytes of all regular files of a directory.
func filesUnder(t *testing.T, dir string) []byte {
	t.Helper()
	return filesSince(t, dir, time.Time{})
}

// filesSince returns the bytes of those that were written at a time or later.
func filesSince(t *testing.T, dir string, since time.Time) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.ModTime().Before(since) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // one of SQLite's own: its last connection was closed meanwhile
			return nil
		}
		all = append(append(all, data...), '\n')
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
