package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// bbolt's file format, version 2; numbers have the machine's byte order.
const (
	magic         = 0xED0CDAED
	formatVersion = 2
	headerSize    = 16 // of a page: id 8, flags 2, count 2, overflow 4
	elementSize   = 16 // of a branch: position 4, key size 4, page 8; of a leaf: flags, position, key size, value size
	metaSize      = 64
	minPageSize   = 1 << 10
	maxPageSize   = 1 << 16

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10
	bucketEntry  = 0x01 // flag of a leaf's element
)

var order = binary.NativeEndian

// inspector walks all pages of a file, trusting none of the numbers in it.
type inspector struct {
	file     io.ReaderAt
	pageSize uint64
	pages    uint64 // number of them
	seen     []bool
}

type meta struct {
	pageSize                    uint64
	root, freelist, pages, txid uint64
}

// inspect reports the first thing that is wrong in a file, as ErrDamaged.
func inspect(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("opening %s: not a regular file", path)
	}
	if err := inspectContent(file, info.Size()); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

func inspectContent(file io.ReaderAt, size int64) error {
	in := &inspector{file: file}
	m, err := in.newestMeta(size)
	if err != nil {
		return err
	}
	in.pageSize, in.pages = m.pageSize, m.pages
	if in.pages < 4 || uint64(size)/in.pageSize < in.pages {
		return fmt.Errorf("it was cut short: it has %d bytes, %d pages of %d are in use", size, in.pages, in.pageSize)
	}
	in.seen = make([]bool, in.pages)
	in.seen[0], in.seen[1] = true, true
	if err := in.tree(m.root, true, &bucketWalk{top: true}); err != nil {
		return err
	}
	return in.freelist(m.freelist)
}

// newestMeta reads both headers. bbolt can do with one, but then a damaged newer
// one would take the last commit with it unnoticed.
func (in *inspector) newestMeta(size int64) (meta, error) {
	first, err := in.meta(0)
	if err != nil {
		return meta{}, fmt.Errorf("first header: %w", err)
	}
	if size < 2*int64(first.pageSize) {
		return meta{}, errors.New("it was cut short")
	}
	second, err := in.meta(int64(first.pageSize))
	if err != nil {
		return meta{}, fmt.Errorf("second header: %w", err)
	}
	// Commits take turns, so the headers are always one commit apart.
	if first.pageSize != second.pageSize || first.txid%2 != 0 || first.txid+1 != second.txid && second.txid+1 != first.txid {
		return meta{}, errors.New("its headers contradict each other")
	}
	if second.txid > first.txid {
		return second, nil
	}
	return first, nil
}

func (in *inspector) meta(at int64) (meta, error) {
	var b [headerSize + metaSize]byte
	if _, err := in.file.ReadAt(b[:], at); errors.Is(err, io.EOF) {
		return meta{}, errors.New("it was cut short")
	} else if err != nil {
		return meta{}, err
	}
	h := fnv.New64a()
	h.Write(b[headerSize : headerSize+metaSize-8])
	m := b[headerSize:]
	switch {
	case order.Uint32(m) != magic || order.Uint32(m[4:]) != formatVersion:
		return meta{}, errors.New("not of bbolt's format")
	case order.Uint64(m[metaSize-8:]) != h.Sum64():
		return meta{}, errors.New("wrong checksum")
	case order.Uint16(b[8:]) != metaPage:
		return meta{}, errors.New("wrong type of page")
	}
	out := meta{pageSize: uint64(order.Uint32(m[8:])), root: order.Uint64(m[16:]), freelist: order.Uint64(m[32:]),
		pages: order.Uint64(m[40:]), txid: order.Uint64(m[48:])}
	if out.pageSize < minPageSize || out.pageSize > maxPageSize || out.pageSize&(out.pageSize-1) != 0 {
		return meta{}, fmt.Errorf("page size of %d", out.pageSize)
	}
	return out, nil
}

// page reads a page with its overflow and counts it as seen.
func (in *inspector) page(id uint64) (data []byte, flags uint16, count int, err error) {
	if id < 2 || id >= in.pages {
		return nil, 0, 0, fmt.Errorf("page %d: out of range", id)
	}
	var head [headerSize]byte
	if _, err := in.file.ReadAt(head[:], int64(id*in.pageSize)); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d: %w", id, err)
	}
	span := 1 + uint64(order.Uint32(head[12:]))
	if order.Uint64(head[:]) != id || span > in.pages-id {
		return nil, 0, 0, fmt.Errorf("page %d: wrong header", id)
	}
	for i := id; i < id+span; i++ {
		if in.seen[i] {
			return nil, 0, 0, fmt.Errorf("page %d: used twice", i)
		}
		in.seen[i] = true
	}
	data = make([]byte, span*in.pageSize)
	if _, err := in.file.ReadAt(data, int64(id*in.pageSize)); err != nil {
		return nil, 0, 0, fmt.Errorf("page %d: %w", id, err)
	}
	return data, order.Uint16(head[8:]), int(order.Uint16(head[10:])), nil
}

func (in *inspector) tree(id uint64, root bool, b *bucketWalk) error {
	data, flags, count, err := in.page(id)
	if err != nil {
		return err
	}
	if count == 0 && (!root || flags != leafPage) {
		return fmt.Errorf("page %d: empty", id)
	}
	switch flags {
	case branchPage:
		err = in.branch(data, count, b)
	case leafPage:
		err = in.leaf(data, count, b)
	default:
		err = fmt.Errorf("type %#x", flags)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (in *inspector) branch(data []byte, count int, b *bucketWalk) error {
	elements, err := newElements(data, count)
	if err != nil {
		return err
	}
	for i := range count {
		e := elements.header(i)
		key, err := elements.data(i, order.Uint32(e), order.Uint32(e[4:]))
		if err != nil {
			return err
		}
		if err := b.from(key); err != nil {
			return err
		}
		if err := in.tree(order.Uint64(e[8:]), false, b); err != nil {
			return err
		}
	}
	return nil
}

func (in *inspector) leaf(data []byte, count int, b *bucketWalk) error {
	elements, err := newElements(data, count)
	if err != nil {
		return err
	}
	for i := range count {
		e := elements.header(i)
		flags, at, keySize, size := order.Uint32(e), order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:])
		key, err := elements.data(i, at, keySize)
		if err != nil {
			return err
		}
		if err := b.next(key); err != nil {
			return err
		}
		value, err := elements.data(i, at+keySize, size)
		if err != nil {
			return err
		}
		switch {
		case flags == 0 && !b.top:
		case flags == bucketEntry:
			if err := in.nested(value); err != nil {
				return fmt.Errorf("bucket %q: %w", key, err)
			}
		default:
			return fmt.Errorf("element of kind %#x", flags)
		}
	}
	return nil
}

// nested inspects a bucket in a bucket: a page of its own, or inline in the value.
func (in *inspector) nested(value []byte) error {
	const bucketHeader = 16 // root page 8, sequence 8
	if len(value) < bucketHeader {
		return errors.New("cut short")
	}
	if root := order.Uint64(value); root != 0 {
		return in.tree(root, true, new(bucketWalk))
	}
	inline := value[bucketHeader:]
	if len(inline) < headerSize || order.Uint64(inline) != 0 || order.Uint16(inline[8:]) != leafPage {
		return errors.New("wrong header")
	}
	return in.leaf(inline, int(order.Uint16(inline[10:])), new(bucketWalk))
}

// freelist checks that each page is either in use or free: a page that is both
// would be overwritten by a later commit.
func (in *inspector) freelist(id uint64) error {
	data, flags, n, err := in.page(id)
	if err != nil {
		return fmt.Errorf("list of free pages: %w", err)
	}
	if flags != freelistPage {
		return errors.New("list of free pages: wrong type of page")
	}
	ids, count := data[headerSize:], uint64(n)
	if n == 0xFFFF { // the number did not fit
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		return errors.New("list of free pages: wrong length")
	}
	for i := range count {
		free := order.Uint64(ids[8*i:])
		if free >= in.pages || in.seen[free] {
			return fmt.Errorf("list of free pages: page %d is not free", free)
		}
		in.seen[free] = true
	}
	for i, seen := range in.seen {
		if !seen {
			return fmt.Errorf("page %d: neither in use nor free", i)
		}
	}
	return nil
}
