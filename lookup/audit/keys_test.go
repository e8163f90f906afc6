package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/masking"
)

// The keys are part of the format: this one was computed with Python's hmac and OpenSSL.
func TestKeysAreFixed(t *testing.T) {
	const want = "40870e93c1e117bc"
	if got := hex.EncodeToString(testKeys(t, 1).Public())[:16]; got != want {
		t.Errorf("public key %s…, want %s…", got, want)
	}
	if _, err := NewKeys(make([]byte, 31)); !errors.Is(err, masking.ErrShortSecret) {
		t.Errorf("a short secret: %v, want %v", err, masking.ErrShortSecret)
	}
}

func TestNodesShareKeys(t *testing.T) {
	dir := t.TempDir()
	const nodes = 6
	got := make([]string, nodes)
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			keys, err := OpenKeys(context.Background(), &certmagic.FileStorage{Path: dir})
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = keys.String()
		})
	}
	wg.Wait()
	for _, g := range got {
		if g != got[0] || g == "" {
			t.Fatalf("nodes disagree: %q", got)
		}
	}
	info, err := os.Stat(filepath.Join(dir, KeysKey))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 600", info.Mode(), err)
	}
}

func TestDamagedKeysAreNeverOverwritten(t *testing.T) {
	ctx := context.Background()
	s := &certmagic.FileStorage{Path: t.TempDir()}
	if _, err := OpenKeys(ctx, s); err != nil {
		t.Fatal(err)
	}
	data, err := s.Load(ctx, KeysKey)
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	secret := strings.Trim(good[strings.IndexByte(good, '\n')+1:], `"`)
	for name, c := range map[string]struct{ content, want string }{
		"empty":     {"", "first line"},
		"cut":       {good[:len(good)-10], "wrong checksum"},
		"version 2": {strings.Replace(good, "1", "2", 1), "unknown version 2"},
		"flipped":   {strings.Replace(good, secret[:4], "AAAA", 1), "wrong checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Store(ctx, KeysKey, []byte(c.content)); err != nil {
				t.Fatal(err)
			}
			_, err := OpenKeys(ctx, s)
			if !errors.Is(err, shareddoc.ErrDamaged) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "restore "+KeysKey) {
				t.Errorf("got %v, want %q with what to do", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), secret[8:]) {
				t.Error("the error holds the secret")
			}
			if data, err := s.Load(ctx, KeysKey); err != nil || string(data) != c.content {
				t.Errorf("it changed to %q, %v", data, err)
			}
		})
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	keys := testKeys(t, 7)
	seed := hex.EncodeToString(keys.sign.Seed())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, keys); strings.Contains(out, seed) || !strings.HasPrefix(out, "audit keys ") {
			t.Errorf("%s prints %s", verb, out)
		}
	}
}
