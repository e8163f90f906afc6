package cache

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// disk is the tier behind memory: a directory with a file for each answer, named
// by hashes of tool and key. It survives restarts: the names and sizes are read
// at the start and the files when they are asked for. Files are written beside
// the requests, dropped where the writer can't keep up, and renamed when they are
// whole. They aren't synced: one that a crash damages is a miss.
type disk struct {
	root    *os.Root
	max     int64
	maxFile int64
	files   int
	errors  atomic.Uint64
	queue   chan write
	done    chan struct{}

	mu      sync.Mutex
	shelves map[string]*shelf // by the first part of the names, which is the tool's
	length  int
	bytes   int64
	over    []string // files beyond the bound that were there at the start

	purges atomic.Uint64 // so far
}

// write is an answer to be written, if nothing is purged before it is.
type write struct {
	object *object
	purges uint64
}

const queueLength = 64

// fileName has the first bytes of the tool's hash, so that a tool's files are found
// without opening all.
var fileName = regexp.MustCompile(`^[0-9a-f]{16}-[0-9a-f]{64}$`)

const (
	temporary      = "new-"
	staleTemporary = time.Hour // no file takes that long to write
)

func nameOf(k Key) string {
	sum := k.sum()
	return toolPart(k.Scope.Value().Tool) + hex.EncodeToString(sum[:])
}

// toolLength is that of a tool's part of a name, its hyphen included.
const toolLength = 17

func toolPart(tool string) string {
	sum := sha256.Sum256([]byte(tool))
	return hex.EncodeToString(sum[:8]) + "-"
}

// openDisk takes over a directory.
func openDisk(cfg Config) (*disk, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the cache's directory: %w", err)
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the cache's directory: %w", err)
	}
	d := &disk{
		root: root, max: cfg.DiskBytes, files: cfg.DiskFiles, maxFile: cfg.MaxObject + maxHead + int64(frame),
		queue: make(chan write, queueLength), done: make(chan struct{}), shelves: make(map[string]*shelf),
	}
	if err := d.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the cache's directory: %w", err), root.Close())
	}
	go d.work()
	return d, nil
}

// load finds the files that are there, the newest to be kept longest, and removes
// what a crash left half written. Files of others are left alone.
func (d *disk) load() error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return err
	}
	type file struct {
		name string
		size int64
		time time.Time
	}
	var found []file
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.Type().IsRegular() {
			continue
		}
		// Those of now may be another's: the process that this one takes over from,
		// or one beside which this one only tries out a configuration.
		if strings.HasPrefix(e.Name(), temporary) && time.Since(info.ModTime()) > staleTemporary {
			_ = d.root.Remove(e.Name())
		}
		if !fileName.MatchString(e.Name()) {
			continue
		}
		found = append(found, file{e.Name(), info.Size(), info.ModTime()})
	}
	slices.SortFunc(found, func(a, b file) int { return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.name, b.name)) })
	for i, f := range found {
		if i < len(found)-d.files {
			d.over = append(d.over, f.name)
			continue
		}
		d.count(f.name, f.size)
	}
	return nil
}

// count notes a file. mu is held, or nobody else is there yet.
func (d *disk) count(name string, size int64) {
	s := d.shelfOf(name)
	if old, ok := s.index.Peek(name); ok {
		s.bytes -= old
		d.bytes -= old
		d.length--
	}
	s.index.Add(name, size)
	s.bytes += size
	d.bytes += size
	d.length++
}

// add counts a file that was written and removes the oldest beyond the bounds. mu is
// held. A start alone removes nothing: its configuration may come to nothing.
func (d *disk) add(name string, size int64) {
	d.count(name, size)
	for _, old := range d.over {
		_ = d.root.Remove(old)
	}
	d.over = nil
	for d.bytes > d.max || d.length > d.files {
		oldest, _, ok := d.fullest(d.bytes > d.max).index.GetOldest()
		if !ok {
			return
		}
		d.forget(oldest)
	}
}

// forget removes a file. mu is held.
func (d *disk) forget(name string) {
	s := d.shelfOf(name)
	if size, ok := s.index.Peek(name); ok {
		s.index.Remove(name)
		s.bytes -= size
		d.bytes -= size
		d.length--
		if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.errors.Add(1)
		}
	}
}

// find tells how large a key's file is, and notes that it was asked for.
func (d *disk) find(key Key) (name string, size int64, ok bool) {
	name = nameOf(key)
	d.mu.Lock()
	defer d.mu.Unlock()
	size, ok = d.shelfOf(name).index.Get(name)
	return name, size, ok && size <= d.maxFile
}

// read returns a file's bytes, if they are as many as it had.
func (d *disk) read(name string, size int64) ([]byte, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return nil, errDamaged
	}
	data := make([]byte, size)
	_, err = io.ReadFull(f, data)
	return data, err
}

// damaged removes a file that can't be read.
func (d *disk) damaged(name string) {
	d.errors.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(name)
}

// remove forgets one answer. If it is still to be written it comes back, but no
// fresher than it was.
func (d *disk) remove(key Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(nameOf(key))
}

// purge forgets the answers of a tool, or of all, whose path begins so.
func (d *disk) purge(tool, prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.purges.Add(1)
	for part, s := range d.shelves {
		if tool != "" && part != toolPart(tool) {
			continue
		}
		for _, name := range s.index.Keys() {
			if prefix == "" || d.matches(name, prefix) {
				d.forget(name)
			}
		}
	}
	d.eachFile(tool, func(name string, _ time.Time) {
		if prefix == "" || d.matches(name, prefix) {
			_ = d.root.Remove(name)
		}
	})
}

// purgeBefore forgets the answers of a tool that were written before a time.
func (d *disk) purgeBefore(tool string, end time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.purges.Add(1)
	d.eachFile(tool, func(name string, written time.Time) {
		if !written.Before(end) {
			return
		}
		if d.shelfOf(name).index.Contains(name) {
			d.forget(name)
			return
		}
		_ = d.root.Remove(name)
	})
}

// eachFile goes through the files of a tool, or of all, that are in the directory. Some aren't counted: those
// beyond the bound at the start, and those that another cache wrote, from which this one took over.
func (d *disk) eachFile(tool string, do func(name string, written time.Time)) {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		d.errors.Add(1)
	}
	for _, e := range entries {
		if !fileName.MatchString(e.Name()) || tool != "" && !strings.HasPrefix(e.Name(), toolPart(tool)) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			do(e.Name(), info.ModTime())
		}
	}
}

// matches reads a file's head; one that can't be read goes too.
func (d *disk) matches(name, prefix string) bool {
	f, err := d.root.Open(name)
	if err != nil {
		return true
	}
	defer f.Close()
	start, err := io.ReadAll(io.LimitReader(f, maxHead+int64(frame)))
	if err != nil {
		return true
	}
	h, _, err := decodeHead(start)
	return err != nil || strings.HasPrefix(Key{Path: h.Path, Query: h.Query, AnyQuery: h.AnyQuery}.url(), prefix)
}

func (d *disk) size() (files int, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.length, d.bytes
}

// close writes what is in the queue and lets go of the directory. Nobody may put
// more into it.
func (d *disk) close() error {
	close(d.queue)
	<-d.done
	return d.root.Close()
}

// fromDisk takes an answer into memory and becomes its user.
func (c *Cache) fromDisk(key Key, generation uint64) *object {
	name, size, ok := c.disk.Load().find(key)
	if !ok {
		return nil
	}
	budget := c.budgetOf(key)
	if !budget.reserve(size) {
		return nil
	}
	data, err := c.disk.Load().read(name, size)
	var o *object
	var content []byte
	if err == nil {
		o, content, err = decode(data, key)
	}
	if err != nil {
		budget.release(size)
		c.disk.Load().damaged(name)
		return nil
	}
	o.body = wholeBody(budget, content, size)
	o.complete()
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		o.body.release()
		return nil
	}
	c.put(o)
	return o
}
