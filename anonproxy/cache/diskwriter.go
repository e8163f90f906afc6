package cache

import (
	"crypto/rand"
	"errors"
	"os"
)

// enqueue has an answer written, sometime. It waits for nothing.
func (d *disk) enqueue(o *object) {
	o.acquire()
	select {
	case d.queue <- write{o, d.purges.Load()}:
	default: // the disk is slower than the tools
		o.body.release()
	}
}

// work writes what is in the queue.
func (d *disk) work() {
	defer close(d.done)
	for w := range d.queue {
		if err := d.save(w); err != nil {
			d.errors.Add(1)
		}
		w.object.body.release()
	}
}

func (d *disk) save(w write) error {
	parts, err := encode(w.object)
	if err != nil {
		return err
	}
	temp := temporary + rand.Text()
	size, err := d.writeParts(temp, parts)
	if err == nil {
		err = d.commit(temp, nameOf(w.object.key), size, w.purges)
	}
	if err != nil {
		_ = d.root.Remove(temp)
	}
	return err
}

func (d *disk) writeParts(name string, parts [][]byte) (size int64, err error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, part := range parts {
		n, err := f.Write(part)
		if size += int64(n); err != nil {
			return size, err
		}
	}
	return size, nil
}

// commit gives a written file its name, unless something was purged meanwhile.
func (d *disk) commit(temp, name string, size int64, purges uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.purges.Load() != purges {
		return d.root.Remove(temp)
	}
	if err := d.root.Rename(temp, name); err != nil {
		return err
	}
	d.add(name, size)
	return nil
}
