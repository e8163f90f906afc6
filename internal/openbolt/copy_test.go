package openbolt

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/internal/testutil/bolttest"
)

// Case 50: a file that is being written is copied whole, whatever the number of its last commit, and the copy goes on.
func TestCase50CopyOfAnOpenFile(t *testing.T) {
	bucket := []byte("b")
	path := filepath.Join(t.TempDir(), "open.db")
	f, err := Open(path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(bucket); return err })
	if err != nil {
		t.Fatal(err)
	}
	put := func(f *File, i int) error {
		return f.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put([]byte(strconv.Itoa(i)), make([]byte, 900)) })
	}
	const keys = 10_000 // so that who copies the bytes takes longer than a commit
	err = f.Update(func(tx *bbolt.Tx) error {
		for i := range keys {
			if err := tx.Bucket(bucket).Put([]byte(strconv.Itoa(i)), make([]byte, 900)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stop, writer := make(chan struct{}), sync.WaitGroup{}
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := put(f, i*7919%keys); err != nil {
				t.Error(err)
				return
			}
		}
	})
	parities := map[int]bool{}
	for range 20 {
		to, err := os.CreateTemp(t.TempDir(), "copy")
		if err != nil {
			t.Fatal(err)
		}
		if err := Copy(path, to); err != nil {
			t.Fatal(err)
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		bolttest.Check(t, to.Name())
		for i := range 3 { // as strict as the start is, also after more commits
			again, err := Open(to.Name(), nil)
			if err != nil {
				t.Fatalf("opened for the %d. time: %v", i+1, err)
			}
			if i == 0 {
				again.View(func(tx *bbolt.Tx) error { parities[tx.ID()%2] = true; return nil })
			}
			if err := put(again, keys+i); err != nil {
				t.Fatal(err)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	writer.Wait()
	if len(parities) != 2 {
		t.Error("copies of only every other commit were tried")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	to, err := os.CreateTemp(t.TempDir(), "copy")
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if err := Copy(path, to); err != nil {
		t.Errorf("a closed one: %v", err)
	}
}
