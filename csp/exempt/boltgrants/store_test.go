package boltgrants

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/masking/audit/boltfile"
)

func open(t *testing.T, path string, max int) *Store {
	t.Helper()
	s, err := Open(path, max)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// add adds a grant that was issued some time ago.
func add(s *Store, t *testing.T, owner byte, tool string, age time.Duration) error {
	t.Helper()
	return s.Update(t.Context(), exempt.Owner{owner}, func(g exempt.Grants) (exempt.Grants, error) {
		return g.Add(exempt.Grant{Tool: tool, Issued: time.Now().Add(-age), State: confirm.Binding{owner}})
	})
}

func mustAdd(s *Store, t *testing.T, owner byte, tool string, age time.Duration) {
	t.Helper()
	if err := add(s, t, owner, tool, age); err != nil {
		t.Fatal(err)
	}
}

func want(s *Store, t *testing.T, owner byte, tools ...string) {
	t.Helper()
	g, err := s.Load(t.Context(), exempt.Owner{owner})
	var got []string
	for _, one := range g.List() {
		got = append(got, one.Tool)
	}
	if err != nil || strings.Join(got, " ") != strings.Join(tools, " ") {
		t.Errorf("owner %d has %q (%v), want %q", owner, got, err, tools)
	}
}

func remove(s *Store, t *testing.T, owner byte, tool string) {
	t.Helper()
	if err := s.Update(t.Context(), exempt.Owner{owner}, func(g exempt.Grants) (exempt.Grants, error) { return g.Remove(tool), nil }); err != nil {
		t.Fatal(err)
	}
}

// counts returns how many owners and expiries are in the file, and what it says.
func counts(s *Store, t *testing.T) (grants, expiries int, says uint64) {
	t.Helper()
	if err := s.file.View(func(tx *bbolt.Tx) error {
		grants, expiries = tx.Bucket(grantsBucket).Stats().KeyN, tx.Bucket(expiryBucket).Stats().KeyN
		says = tx.Bucket(grantsBucket).Sequence()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return grants, expiries, says
}

func TestStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "grants.db")
	s := open(t, path, 10)
	want(s, t, 1)
	mustAdd(s, t, 1, "weather", 0)
	mustAdd(s, t, 1, "maps", time.Hour)
	mustAdd(s, t, 2, "maps", 0)
	want(s, t, 1, "weather", "maps")
	want(s, t, 2, "maps")
	want(s, t, 3)

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, 10)
	want(s, t, 1, "weather", "maps")
	remove(s, t, 1, "weather")
	remove(s, t, 2, "maps")
	remove(s, t, 3, "maps")
	want(s, t, 1, "maps")
	want(s, t, 2)
	if grants, expiries, says := counts(s, t); grants != 1 || expiries != 1 || says != 1 {
		t.Errorf("%d owners, %d expiries, %d said", grants, expiries, says)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v %v", info.Mode(), err)
	}
}

func TestAChangeThatFailsChangesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "g.db"), 10)
	mustAdd(s, t, 1, "weather", 0)
	no := errors.New("no")
	err := s.Update(t.Context(), exempt.Owner{1}, func(g exempt.Grants) (exempt.Grants, error) { return exempt.Grants{}, no })
	if !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	want(s, t, 1, "weather")
}

func TestFullAndExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "g.db"), 3)
		mustAdd(s, t, 1, "weather", 0)
		mustAdd(s, t, 2, "weather", 0)
		mustAdd(s, t, 3, "weather", exempt.Life-time.Hour)
		if err := add(s, t, 4, "weather", 0); !errors.Is(err, exempt.ErrFull) {
			t.Errorf("a fourth of three: %v", err)
		}
		mustAdd(s, t, 1, "maps", 0) // of those that are there, each may change
		want(s, t, 1, "weather", "maps")
		want(s, t, 4)

		// Who expires makes room, and not before.
		time.Sleep(time.Hour - time.Second)
		want(s, t, 3, "weather")
		time.Sleep(time.Second)
		want(s, t, 3)
		mustAdd(s, t, 4, "weather", 0)
		want(s, t, 4, "weather")
		if grants, expiries, says := counts(s, t); grants != 3 || expiries != 3 || says != 3 {
			t.Errorf("%d owners, %d expiries, %d said", grants, expiries, says)
		}
	})
}

// All that is expired goes by and by.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "g.db"), 100)
		for i := range 40 {
			mustAdd(s, t, byte(i), "weather", exempt.Life-time.Hour)
		}
		time.Sleep(2 * time.Hour)
		for range 4 {
			mustAdd(s, t, 200, "maps", 0)
		}
		if grants, expiries, says := counts(s, t); grants != 1 || expiries != 1 || says != 1 {
			t.Errorf("%d owners, %d expiries, %d said", grants, expiries, says)
		}
	})
}

func TestUpdatesAtOnce(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "g.db"), 10)
	var all sync.WaitGroup
	for i := range exempt.MaxGrants {
		all.Go(func() {
			if err := add(s, t, 1, fmt.Sprint("tool-", i), 0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if g, err := s.Load(t.Context(), exempt.Owner{1}); err != nil || g.Len() != exempt.MaxGrants {
		t.Errorf("%d grants (%v)", g.Len(), err)
	}
	if err := add(s, t, 1, "one-more", 0); !errors.Is(err, exempt.ErrTooMany) {
		t.Errorf("got %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "g.db")
	s := open(t, path, 10)
	if _, err := Open(path, 10); !errors.Is(err, boltfile.ErrInUse) {
		t.Errorf("a file in use: %v", err)
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, 10); !errors.Is(err, boltfile.ErrDamaged) {
		t.Errorf("half a file: %v", err)
	}
	other := filepath.Join(dir, "other.db")
	file, err := boltfile.Open(other, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("other")); return err })
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if _, err := Open(other, 10); err == nil || !strings.Contains(err.Error(), "another kind of file") {
		t.Errorf("another's file: %v", err)
	}
}

// A record that is not of its form is an error and no grant.
func TestBrokenRecords(t *testing.T) {
	future := []byte{0, 0, 0, 0, 0xff, 0, 0, 0}
	for name, value := range map[string][]byte{
		"empty": {}, "too short": {1, 2}, "not grants": append(bytes.Clone(future), 1, 2, 3),
	} {
		s := open(t, filepath.Join(t.TempDir(), "g.db"), 10)
		if err := s.file.Update(func(tx *bbolt.Tx) error { return tx.Bucket(grantsBucket).Put(make([]byte, 32), value) }); err != nil {
			t.Fatal(err)
		}
		if g, err := s.Load(t.Context(), exempt.Owner{}); !errors.Is(err, errRecord) || g.Len() != 0 {
			t.Errorf("%s: got %v (%v)", name, g, err)
		}
		if err := add(s, t, 0, "weather", 0); !errors.Is(err, errRecord) {
			t.Errorf("%s: got %v", name, err)
		}
		// The others' are as good as before.
		mustAdd(s, t, 1, "weather", 0)
		want(s, t, 1, "weather")
	}
}
