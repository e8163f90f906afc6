package boltstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/lookup/sightings/boltstore"
	"github.com/wikiveil/wikiveil/lookup/sightings/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	dirs := make(map[string]string) // by subtest
	storetest.Test(t, func(t *testing.T) sightings.Store {
		if dirs[t.Name()] == "" {
			dirs[t.Name()] = filepath.Join(t.TempDir(), "sightings")
		}
		return open(t, dirs[t.Name()])
	})
}

func open(t testing.TB, dir string) *boltstore.Store {
	t.Helper()
	s, err := boltstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var (
	older = sightings.Part{Day: 20770, Epoch: "0123456789ab"}
	newer = sightings.Part{Day: 20779, Epoch: "0123456789ab"}
)

// filled makes a store of two parts and returns the path of one's file.
func filled(t testing.TB, part sightings.Part) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir)
	for batch := range 20 {
		var entries []sightings.Entry
		for i := range 200 {
			n := batch*200 + i
			for _, p := range []sightings.Part{older, newer} {
				entries = append(entries, storetest.Entry(p, n, strings.Repeat("value ", 20)+fmt.Sprint(n)))
			}
		}
		if err := s.Append(context.Background(), entries); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, part.String()+".sightings")
}

func TestDamagedFileIsRefused(t *testing.T) {
	overwrite := func(at int, with string) func([]byte) []byte {
		return func(data []byte) []byte {
			copy(data[at:], with)
			return data
		}
	}
	both := func(data []byte) []byte { // both of bbolt's heads
		return overwrite(4096, strings.Repeat("x", 4096))(overwrite(0, strings.Repeat("x", 4096))(data))
	}
	tests := []struct {
		name   string
		part   sightings.Part
		damage func([]byte) []byte
	}{
		{"empty", older, func([]byte) []byte { return nil }},
		{"garbage", older, func(data []byte) []byte { return []byte(strings.Repeat("garbage ", len(data)/8)) }},
		{"short garbage", older, func([]byte) []byte { return []byte("?") }},
		{"both heads", older, both},
		{"cut in the middle", older, func(data []byte) []byte { return data[:len(data)/2] }},
		{"cut to its heads", older, func(data []byte) []byte { return data[:8192] }},
		{"the newest, zeros in the middle", newer, func(data []byte) []byte {
			clear(data[8192 : len(data)*3/4])
			return data
		}},
		{"the newest, garbage in the middle", newer, func(data []byte) []byte {
			return overwrite(8192, strings.Repeat("\xff", len(data)/2))(data)
		}},
		{"the newest, one byte of a value", newer, func(data []byte) []byte {
			at := strings.LastIndex(string(data), "value value")
			data[at] ^= 1
			return data
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, path := filled(t, tt.part)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := tt.damage(data)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = boltstore.Open(dir)
			if !errors.Is(err, sightings.ErrDamaged) || !strings.Contains(err.Error(), path) ||
				!strings.Contains(err.Error(), "restore it from a backup, or move it away") {
				t.Fatalf("error %v; want ErrDamaged, the file and what to do", err)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(damaged) {
				t.Fatalf("the refused file was changed (%v)", err)
			}
			if err := os.Rename(path, path+".bad"); err != nil { // as the error says
				t.Fatal(err)
			}
			s := open(t, dir)
			if parts, err := s.Parts(context.Background()); err != nil || len(parts) != 1 {
				t.Fatalf("after moving it away: %v, %v", parts, err)
			}
		})
	}
}

// TestEveryDamagedByte flips bytes all over the newest file: whatever is hit, the store either refuses
// it, or finds everything right. It never crashes and never gives a wrong value.
func TestEveryDamagedByte(t *testing.T) {
	dir, path := filled(t, newer)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused, step := 0, 1999
	for at := 0; at < len(good); at += step {
		data := append([]byte(nil), good...)
		data[at] ^= 0x55
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := boltstore.Open(dir)
		if err != nil {
			if !errors.Is(err, sightings.ErrDamaged) {
				t.Fatalf("byte %d: %v", at, err)
			}
			refused++
			continue
		}
		for n := 0; n < 4000; n += 41 {
			found, err := s.Find(context.Background(), []sightings.Ref{{Part: newer, Key: storetest.Key(n)}})
			if err != nil || len(found) != 1 || !strings.HasSuffix(string(found[0].Value), fmt.Sprint("value ", n)) {
				t.Fatalf("byte %d: key %d: %v, %v", at, n, found, err)
			}
		}
		s.Close()
	}
	t.Logf("%d of %d refused", refused, len(good)/step+1)
	if refused == 0 {
		t.Error("no damage was ever noticed")
	}
}

// Damage in an older file, which is not walked through at the start, shows as an error of the
// look-up that meets it; all others are right.
func TestDamageThatShowsLater(t *testing.T) {
	dir, path := filled(t, older)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := len(data) / 4; at < len(data)/3; at++ {
		data[at] ^= 0x55
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	damaged, right := 0, 0
	for n := range 4000 {
		found, err := s.Find(context.Background(), []sightings.Ref{{Part: older, Key: storetest.Key(n)}})
		switch {
		case errors.Is(err, sightings.ErrDamaged) && strings.Contains(err.Error(), path):
			damaged++
		case err == nil && len(found) == 1 && strings.HasSuffix(string(found[0].Value), fmt.Sprint("value ", n)):
			right++
		default:
			t.Fatalf("key %d: %v, %v", n, found, err)
		}
	}
	if damaged == 0 || right == 0 {
		t.Errorf("%d damaged, %d right", damaged, right)
	}
}

// A file that is cut while it is in use makes the memory map fault: an error, not a dead edge.
func TestFileCutWhileInUse(t *testing.T) {
	dir, path := filled(t, older)
	s := open(t, dir)
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	ref := func(p sightings.Part) []sightings.Ref { return []sightings.Ref{{Part: p, Key: storetest.Key(1)}} }
	if _, err := s.Find(context.Background(), ref(older)); !errors.Is(err, sightings.ErrDamaged) || !strings.Contains(err.Error(), path) {
		t.Fatalf("Find: %v", err)
	}
	if found, err := s.Find(context.Background(), ref(newer)); err != nil || len(found) != 1 {
		t.Fatalf("the other file suffers too: %v, %v", found, err)
	}
	if err := s.Append(context.Background(), []sightings.Entry{storetest.Entry(older, 1, "x")}); !errors.Is(err, sightings.ErrDamaged) {
		t.Fatalf("Append to it: %v", err)
	}
	if err := s.Append(context.Background(), []sightings.Entry{storetest.Entry(newer, 1, "x")}); err != nil {
		t.Fatalf("Append to the other: %v", err)
	}
}

// A file that somebody deletes takes its records along. What was durable is not any more, and the
// store goes on with a new file.
func TestFileDeletedWhileInUse(t *testing.T) {
	dir, path := filled(t, newer)
	s := open(t, dir)
	before := s.Incarnation()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(context.Background(), []sightings.Entry{storetest.Entry(newer, 9999, "after")}); err != nil {
		t.Fatal(err)
	}
	if s.Incarnation() == before {
		t.Error("the incarnation did not change")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := open(t, dir).Find(context.Background(), []sightings.Ref{{Part: newer, Key: storetest.Key(9999)}})
	if err != nil || len(found) != 1 {
		t.Fatalf("Find = %v, %v", found, err)
	}
}

func TestOpenRefusesStrangeFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "2026-13-45-zz.sightings"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := boltstore.Open(dir); err == nil || !strings.Contains(err.Error(), "move it elsewhere") {
		t.Errorf("error %v", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir, path := filled(t, newer)
	open(t, dir)
	if _, err := boltstore.Open(dir); !errors.Is(err, boltstore.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

func TestLeftoverIsRemoved(t *testing.T) {
	dir, path := filled(t, newer)
	if err := os.WriteFile(path+".123.new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "notes.new")
	if err := os.WriteFile(other, []byte("an operator's"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(path + ".123.new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sightings")
	s := open(t, dir)
	if err := s.Append(context.Background(), []sightings.Entry{storetest.Entry(newer, 1, "x")}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, newer.String()+".sightings"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}
