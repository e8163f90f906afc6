package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/internal/openbolt"
	"github.com/wikiveil/wikiveil/lookup/sightings"
)

var (
	bucketMeta = []byte("meta")
	bucketLog  = []byte("log")
	bucketRuns = []byte("runs")
	keyFormat  = []byte("format")
	keyTable   = []byte("table")
	format     = []byte("wikiveil-sightings/1")
)

const (
	// runLength is how many entries are looked for in memory before they get a table: some
	// 5 MB, and at most about 20 MB to be read again after a crash.
	runLength = 1 << 16
	// lockWait is how long another process may take to let go of a file, as at a restart.
	lockWait = 3 * time.Second
)

// ErrInUse: another process has the directory.
var ErrInUse = openbolt.ErrInUse

var errFileClosed = errors.New("file is closed")

// file is one part's file. Appends, folds and prepareWrite are one at a time, by the store's lock.
type file struct {
	path string
	info os.FileInfo

	mu       sync.RWMutex
	db       *bolt.DB // nil when closed
	writable bool
	tail     map[sightings.Key][]row // entries that no run covers yet
	tailSize int
	foldAt   int   // how long the tail gets
	broken   error // a write panicked: nothing more is written

	closed func() // takes it from those that can be copied
}

// createFile makes and opens a new file.
func createFile(path string) (*file, error) {
	err := openbolt.Create(path, func(tx *bolt.Tx) error {
		_, errLog := tx.CreateBucket(bucketLog)
		_, errRuns := tx.CreateBucket(bucketRuns)
		meta, err := tx.CreateBucket(bucketMeta)
		if err = errors.Join(errLog, errRuns, err); err != nil {
			return err
		}
		return meta.Put(keyFormat, format)
	})
	if err != nil && !errors.Is(err, fs.ErrExist) { // put back by hand
		return nil, err
	}
	return openFile(path)
}

// openFile opens a file for reading, after a look at its head and size. It loads the tail.
func openFile(path string) (*file, error) {
	f := &file{path: path, tail: make(map[sightings.Key][]row), foldAt: runLength}
	if err := f.open(false); err != nil {
		return nil, refusal(path, err)
	}
	if err := guard(f.loadTail); err != nil {
		f.close()
		return nil, refusal(path, err)
	}
	f.closed = openbolt.Add(path, f.copy)
	return f, nil
}

// copy writes all that is committed into an empty file. The lock is not held meanwhile, or appends would wait.
func (f *file) copy(to *os.File) error {
	f.mu.RLock()
	if f.db == nil {
		f.mu.RUnlock()
		return errFileClosed
	}
	tx, err := f.db.Begin(false)
	f.mu.RUnlock()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return guard(func() error { return openbolt.WriteTx(tx, to) })
}

// open opens the file by bbolt. The caller has f.mu or is alone.
func (f *file) open(write bool) error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if info.Size() == 0 { // bbolt would make it a new, empty database
		return fmt.Errorf("%w: it is empty", sightings.ErrDamaged)
	}
	var db *bolt.DB
	err = guard(func() (err error) {
		db, err = bolt.Open(f.path, 0o600, &bolt.Options{
			ReadOnly: !write,
			Timeout:  lockWait,
			// A list of free pages that is read back wrongly would let good pages be overwritten, so it
			// is made anew from the pages in use.
			NoFreelistSync: true,
			FreelistType:   bolt.FreelistMapType,
			NoStatistics:   true,
		})
		if err != nil {
			return err
		}
		return db.View(func(tx *bolt.Tx) error { return checkHead(tx, info.Size()) })
	})
	if err != nil {
		if db != nil {
			db.Close()
		}
		return err
	}
	f.db, f.info, f.writable = db, info, write
	return nil
}

// checkHead checks what must hold before any page is read: a page outside of the file
// would fault.
func checkHead(tx *bolt.Tx, size int64) error {
	if tx.Size() > size {
		return fmt.Errorf("%w: it is cut short: %d of %d bytes", sightings.ErrDamaged, size, tx.Size())
	}
	for _, name := range [][]byte{bucketMeta, bucketLog, bucketRuns} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: it has no bucket %q", sightings.ErrDamaged, name)
		}
	}
	if got := tx.Bucket(bucketMeta).Get(keyFormat); string(got) != string(format) {
		return fmt.Errorf("%w: its format is %q, not %q", sightings.ErrDamaged, got, format)
	}
	return nil
}

// prepareWrite makes the file writable, after a walk through all of it.
func (f *file) prepareWrite() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.db == nil:
		return errFileClosed
	case f.broken != nil:
		return f.broken
	case f.writable:
		return nil
	}
	if err := guard(func() error { return f.db.View(walk) }); err != nil {
		return refusal(f.path, err)
	}
	if err := f.db.Close(); err != nil {
		return err
	}
	f.db = nil
	if err := f.open(true); err != nil {
		err = refusal(f.path, err)
		if reopenErr := f.open(false); reopenErr != nil { // look-ups at least should go on
			f.broken = err
		}
		return err
	}
	return nil
}

// inPlace reports whether the file is still the one under its name.
func (f *file) inPlace() bool {
	now, err := os.Stat(f.path)
	return err == nil && os.SameFile(now, f.info)
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.db == nil {
		return nil
	}
	if f.closed != nil {
		f.closed()
	}
	db := f.db
	f.db = nil
	return guard(db.Close)
}
