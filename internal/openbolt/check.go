package openbolt

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Guard calls do, which uses a bbolt file, and makes an [ErrDamaged] of what bbolt does with damaged pages: it panics, or reads
// where the memory map has nothing. A panic's text is left out, since it can hold bytes of the file.
func Guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: its structure makes no sense", ErrDamaged)
		}
	}()
	err = do()
	for _, bad := range []error{bolterrors.ErrInvalid, bolterrors.ErrVersionMismatch, bolterrors.ErrChecksum, bolterrors.ErrInvalidMapping} {
		if errors.Is(err, bad) {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return err
}

// check reads all of a file. bbolt's own check isn't used: it runs in a goroutine where a fault would end the process.
func check(tx *bbolt.Tx, file *os.File) error {
	if info, err := file.Stat(); err != nil || info.Size() < tx.Size() {
		return fmt.Errorf("%w: it is cut short", ErrDamaged)
	}
	pageSize := int64(tx.DB().Info().PageSize)
	in := &inspection{file: file, pageSize: pageSize, used: make([]bool, tx.Size()/pageSize)}
	err := in.bucket(tx.Cursor().Bucket())
	if err == nil {
		err = in.rest(tx)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// inspection finds out which pages are used by what.
type inspection struct {
	file     io.ReaderAt
	pageSize int64
	used     []bool
	sum      byte
}

// bucket reads each byte of each key and value: a fault or a panic is better now than later.
func (in *inspection) bucket(b *bbolt.Bucket) error {
	if root := uint64(b.Root()); root != 0 { // else it lies within its parent
		if err := in.tree(root); err != nil {
			return err
		}
	}
	var last []byte
	return b.ForEach(func(k, v []byte) error {
		if last != nil && bytes.Compare(last, k) >= 0 {
			return errors.New("keys out of order")
		}
		last = k
		for _, data := range [][]byte{k, v} {
			for _, c := range data {
				in.sum ^= c
			}
		}
		if v != nil {
			return nil
		}
		if nested := b.Bucket(k); nested != nil {
			return in.bucket(nested)
		}
		return errors.New("a bucket can't be read")
	})
}

// tree follows the pages of a tree by their numbers, as bbolt would without end where they lead in a circle. All that it
// knows of bbolt's pages is their header, 16 bytes, and that the branches' elements are as long, a page's number last.
func (in *inspection) tree(id uint64) error {
	page := bufio.NewReader(io.NewSectionReader(in.file, int64(id)*in.pageSize, int64(len(in.used))*in.pageSize))
	var head struct {
		ID          uint64
		Kind, Count uint16
		Overflow    uint32
	}
	if err := binary.Read(page, binary.NativeEndian, &head); err != nil {
		return err
	}
	if err := in.use(id, uint64(head.Overflow)); err != nil {
		return err
	}
	const branch = 1
	if head.Kind != branch {
		return nil
	}
	for range head.Count {
		var below struct {
			At, Size uint32
			ID       uint64
		}
		if err := binary.Read(page, binary.NativeEndian, &below); err != nil {
			return err
		}
		if err := in.tree(below.ID); err != nil {
			return err
		}
	}
	return nil
}

// use marks a page, and so many behind it, as used.
func (in *inspection) use(id, overflow uint64) error {
	pages := uint64(len(in.used))
	if id < 2 || id >= pages || overflow >= pages-id {
		return fmt.Errorf("page %d: out of range", id)
	}
	for i := id; i <= id+overflow; i++ {
		if in.used[i] {
			return fmt.Errorf("page %d: used twice", i)
		}
		in.used[i] = true
	}
	return nil
}

// rest sees to it that each page that no tree has is free, and no other one: bbolt would write over it.
func (in *inspection) rest(tx *bbolt.Tx) error {
	free, listed := 0, 0
	for id := 2; id < len(in.used); id++ {
		page, err := tx.Page(id)
		switch {
		case err != nil:
			return err
		case page.Type == "free":
			free++
			err = in.use(uint64(id), 0)
		case page.Type == "freelist" && !in.used[id]:
			listed = page.Count
			err = in.use(uint64(id), uint64(page.OverflowCount))
		case !in.used[id]:
			err = fmt.Errorf("page %d: neither used nor free", id)
		}
		if err != nil {
			return err
		}
	}
	if listed != free && listed != 0xFFFF { // which stands for more than fit there
		return fmt.Errorf("%d pages are free, its list has %d", free, listed)
	}
	return nil
}
