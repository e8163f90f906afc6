package openbolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

// bbolt's file format: what the tests damage.
const (
	headerSize   = 16 // of a page
	metaSize     = 64
	freelistPage = 0x10
)

var order = binary.NativeEndian

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func buckets(names ...string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		for _, name := range names {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	}
}

func mustOpen(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path, buckets("a"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mustClose(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// content returns all that a file holds.
func content(f *File) (map[string]string, error) {
	all := make(map[string]string)
	err := f.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error { return collect(all, string(name), b) })
	})
	return all, err
}

func collect(all map[string]string, path string, b *bbolt.Bucket) error {
	all[path] = ""
	return b.ForEach(func(k, v []byte) error {
		if v == nil {
			return collect(all, path+"/"+string(k), b.Bucket(k))
		}
		all[path+"/"+string(k)] = string(v)
		return nil
	})
}

func TestNewFileIsPrivateAndWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "audit.db")
	f := mustOpen(t, path)
	defer mustClose(t, f)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if perm := info.Mode().Perm(); perm != 0o600 {
		t.Errorf("the file has mode %o, want 600", perm)
	}
	if info, err = os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v, want 700", info.Mode(), err)
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the directory holds %v, want the file alone", names)
	}
	if got, err := content(f); err != nil || len(got) != 1 {
		t.Errorf("content %v, %v, want the bucket made at first", got, err)
	}
}

func TestFailedMakingLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	refused := errors.New("refused")
	if _, err := Open(filepath.Join(dir, "x.db"), func(*bbolt.Tx) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("the directory holds %v, want nothing", names)
	}
}

func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	f := mustOpen(t, path)
	if _, err := Open(path, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("opening twice: %v, want %v", err, ErrInUse)
	}
	if _, err := OpenReadOnly(path); !errors.Is(err, ErrInUse) {
		t.Errorf("reading beside a writer: %v, want %v", err, ErrInUse)
	}
	mustClose(t, f)
	r1, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, r1)
	r2, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, r2)
	if err := r2.Update(buckets("b")); err == nil {
		t.Error("a file opened to read was written")
	}
}

// sample makes a file with branches, overflow, nested and inline buckets and free pages.
func sample(t testing.TB, path string) map[string]string {
	t.Helper()
	f, err := Open(path, buckets("records", "small"))
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		err := f.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("records"))
			nested, err := b.CreateBucketIfNotExists([]byte("nested"))
			if err != nil {
				return err
			}
			for i := range 90 {
				key := binary.BigEndian.AppendUint64(nil, uint64(1000*round+i))
				value := bytes.Repeat([]byte{byte(i)}, 40)
				if err := errors.Join(b.Put(key, value), nested.Put(key, value)); err != nil {
					return err
				}
			}
			return errors.Join(b.Put([]byte("long"), bytes.Repeat([]byte("x"), 9000)),
				tx.Bucket([]byte("small")).Put([]byte("k"), []byte("v")),
				b.Delete(binary.BigEndian.AppendUint64(nil, uint64(1000*round))))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all, err := content(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDamagedFileIsRefused(t *testing.T) {
	pageSize := os.Getpagesize()
	for name, c := range map[string]struct {
		damage func([]byte) []byte
		want   string
	}{
		"emptied":        {func([]byte) []byte { return nil }, "it is empty"},
		"another format": {func(b []byte) []byte { return bytes.Repeat([]byte("wiki"), len(b)/4) }, "invalid database"},
		"cut to headers": {func(b []byte) []byte { return b[:2*pageSize] }, "no sense"},
		"cut by a page":  {func(b []byte) []byte { return b[:7*pageSize] }, "no sense"},
		"both headers":   {func(b []byte) []byte { b[30] ^= 1; b[pageSize+30] ^= 1; return b }, "checksum error"},
		"a page of another": {func(b []byte) []byte {
			copy(b[5*pageSize:6*pageSize], b[6*pageSize:])
			return b
		}, "no sense"},
		"a page below itself": {func(b []byte) []byte {
			for id := 2; id < len(b)/pageSize; id++ {
				if at := id * pageSize; order.Uint16(b[at+8:]) == 1 { // a branch
					order.PutUint64(b[at+headerSize+8:], uint64(id))
				}
			}
			return b
		}, "used twice"},
		"a page both used and free": {func(b []byte) []byte {
			for at := 2 * pageSize; at < len(b); at += pageSize {
				if order.Uint16(b[at+8:]) == freelistPage {
					n := order.Uint16(b[at+10:])
					order.PutUint64(b[at+headerSize+8*int(n):], uint64(lastBranch(b, pageSize)))
					order.PutUint16(b[at+10:], n+1)
				}
			}
			return b
		}, "used twice"},
		"a list of free pages that is too long": {func(b []byte) []byte {
			for at := 2 * pageSize; at < len(b); at += pageSize {
				if order.Uint16(b[at+8:]) == freelistPage {
					order.PutUint16(b[at+10:], 0xFFFE)
				}
			}
			return b
		}, "its list has"},
		"zeroes": {func(b []byte) []byte { clear(b[2*pageSize:]); return b }, "no sense"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			sample(t, path)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			good := bytes.Clone(data)
			data = c.damage(data)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time shows that no lock was left behind
				f, err := Open(path, buckets("a"))
				if err == nil {
					mustClose(t, f)
				}
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %v with %q", err, ErrDamaged, c.want)
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, data) {
				t.Errorf("the damaged file was changed, %v", err)
			}
			if err := os.WriteFile(path, good, 0o600); err != nil { // in place: no lock may be left on it
				t.Fatal(err)
			}
			mustClose(t, mustOpen(t, path))
		})
	}
}

func lastBranch(b []byte, pageSize int) (id int) {
	for at := 2 * pageSize; at < len(b); at += pageSize {
		if order.Uint16(b[at+8:]) == 1 {
			id = at / pageSize
		}
	}
	return id
}

// What one header lost with its last commit is for the file's owner to miss: bbolt goes on from the commit before, as after
// a crash within the last.
func TestOneHeaderIsEnough(t *testing.T) {
	for _, at := range []int{30, os.Getpagesize() + 70} {
		path := filepath.Join(t.TempDir(), "x.db")
		sample(t, path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[at] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		mustClose(t, mustOpen(t, path))
	}
}

// A flipped bit in the structure is refused; one in a key's or value's bytes may be
// read, as bbolt has no checksum of them, but nothing else changes.
func TestAnyFlippedByteIsSafe(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	want := sample(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data = data[:usedSize(t, path)]
	refused, same, differing := 0, 0, 0
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	put := func(b byte, at int) {
		if _, err := file.WriteAt([]byte{b}, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	for at := 0; at < len(data); at += 37 {
		if at > 0 {
			put(data[at-37], at-37)
		}
		put(data[at]^byte(1<<(at%8)), at)
		f, err := OpenReadOnly(path)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("byte %d: %v, want %v", at, err, ErrDamaged)
			}
			refused++
			continue
		}
		got, err := content(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatalf("byte %d: a file that was found good can't be read: %v", at, err)
		}
		switch diff := differ(got, want); {
		case diff == 0:
			same++
		case at < 2*os.Getpagesize(): // a header, see TestOneHeaderIsEnough
		case at%os.Getpagesize() == 10, at%os.Getpagesize() == 11: // how many elements a page has: the last of them are gone
			differing++
		case diff <= 2: // one value, or one key gone and one new
			differing++
		case nestedRenamed(got):
			differing++
		default:
			t.Fatalf("byte %d: %d entries differ", at, diff)
		}
	}
	t.Logf("refused %d, free space %d, one entry %d", refused, same, differing)
	if refused == 0 || same == 0 || differing == 0 {
		t.Error("a kind of byte was not tried")
	}
}

// usedSize is how much of a file is in use; bbolt makes files larger in advance.
func usedSize(t *testing.T, path string) (size int64) {
	t.Helper()
	f, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, f)
	if err := f.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }); err != nil {
		t.Fatal(err)
	}
	return size
}

func differ(a, b map[string]string) int {
	n := 0
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			n++
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			n++
		}
	}
	return n
}

// nestedRenamed reports whether the flipped byte was in a bucket's name.
func nestedRenamed(got map[string]string) bool {
	for _, name := range []string{"records", "small", "records/nested"} {
		if _, ok := got[name]; !ok {
			return true
		}
	}
	return false
}

// Whatever bbolt writes must be found good.
func TestAllThatBboltWritesIsAccepted(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 1))
			path := filepath.Join(t.TempDir(), "x.db")
			f := mustOpen(t, path)
			for range 150 {
				if err := f.Update(func(tx *bbolt.Tx) error { return randomChange(rnd, tx) }); err != nil {
					t.Fatal(err)
				}
				if err := f.View(func(tx *bbolt.Tx) error { return check(tx, f.file) }); err != nil {
					t.Fatal(err)
				}
			}
			before, err := content(f)
			if err != nil {
				t.Fatal(err)
			}
			mustClose(t, f)
			f = mustOpen(t, path)
			defer mustClose(t, f)
			if after, err := content(f); err != nil || !maps.Equal(before, after) {
				t.Errorf("reopened, it holds something else, %v", err)
			}
		})
	}
}

func randomChange(rnd *rand.Rand, tx *bbolt.Tx) error {
	b := tx.Bucket([]byte("a"))
	if rnd.IntN(3) == 0 {
		name := fmt.Appendf(nil, "bucket %d", rnd.IntN(5))
		nested, err := b.CreateBucketIfNotExists(name)
		if err != nil {
			return err
		}
		if rnd.IntN(8) == 0 {
			return b.DeleteBucket(name)
		}
		b = nested
	}
	for range rnd.IntN(200) {
		key := binary.BigEndian.AppendUint64(nil, rnd.Uint64N(2000))
		if rnd.IntN(3) == 0 {
			if err := b.Delete(key); err != nil {
				return err
			}
			continue
		}
		if err := b.Put(key, make([]byte, rnd.IntN(1+rnd.IntN(3000)))); err != nil {
			return err
		}
	}
	return nil
}

// A page that can't be read any more, as on a failing disk, must end the use of the
// file and not the process.
func TestFaultWhileRunningIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	sample(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := content(f); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v, want %v", err, ErrDamaged)
		}
	}
	if err := f.Close(); !errors.Is(err, ErrDamaged) {
		t.Errorf("closing: %v, want %v", err, ErrDamaged)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, path)) // no lock was left
}

func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed.db")
	sample(f, path)
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	data = data[:16*os.Getpagesize()] // the rest is free
	f.Add(data, 0, byte(0))
	f.Add(data, 2*os.Getpagesize()+3, byte(0x80))
	f.Add(data[:os.Getpagesize()], 9, byte(1))
	f.Add([]byte(nil), 0, byte(0))
	f.Fuzz(func(t *testing.T, data []byte, at int, flip byte) {
		data = fixHeaders(bytes.Clone(data), at, flip)
		path := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := OpenReadOnly(path)
		if err != nil {
			return
		}
		// What is found good must be readable by bbolt, without a panic or a fault.
		if _, err := content(file); err != nil {
			t.Errorf("it was found good: %v", err)
		}
		file.Close()
	})
}

// fixHeaders flips a byte and gives both headers right checksums, so that fuzzing
// comes to what lies behind them.
func fixHeaders(data []byte, at int, flip byte) []byte {
	if at >= 0 && at < len(data) {
		data[at] ^= flip
	}
	for _, head := range []int{0, os.Getpagesize()} {
		if head+headerSize+metaSize > len(data) {
			break
		}
		m := data[head+headerSize : head+headerSize+metaSize]
		h := fnv.New64a()
		h.Write(m[:metaSize-8])
		order.PutUint64(m[metaSize-8:], h.Sum64())
	}
	return data
}
