package boltstore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/wikiveil/wikiveil/lookup/sightings"
)

// A segment is some entries of one transaction:
//
//	CRC-32C of the rest (4 bytes, big-endian) | entries: key (16) | length of the value (2) | value
//
// A run is a table of rows sorted by key: key (16) | sequence number (8) | offset in the segment (4).
const (
	crcSize   = 4
	entryHead = sightings.KeySize + 2
	rowSize   = sightings.KeySize + 8 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// row tells where a key's value is.
type row struct {
	key    sightings.Key
	seq    uint64
	offset uint32
}

func compareRows(a, b row) int {
	return cmp.Or(bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.seq, b.seq), cmp.Compare(a.offset, b.offset))
}

// segmentSize is what segments are filled up to. A transaction writes bbolt's last leaf anew,
// which has up to four segments: with large ones it would write everything twice.
const segmentSize = 16 << 10

// cutSegment takes the entries for the next segment.
func cutSegment(entries []sightings.Entry) (segment, rest []sightings.Entry) {
	size := crcSize
	for i, e := range entries {
		if size += entryHead + len(e.Value); size > segmentSize && i > 0 {
			return entries[:i], entries[i:]
		}
	}
	return entries, nil
}

// packSegment makes a segment, and appends the rows of its entries.
func packSegment(seq uint64, entries []sightings.Entry, rows []row) ([]byte, []row) {
	size := crcSize
	for _, e := range entries {
		size += entryHead + len(e.Value)
	}
	segment := make([]byte, crcSize, size)
	for _, e := range entries {
		rows = append(rows, row{key: e.Key, seq: seq, offset: uint32(len(segment))})
		segment = append(segment, e.Key[:]...)
		segment = binary.BigEndian.AppendUint16(segment, uint16(len(e.Value)))
		segment = append(segment, e.Value...)
	}
	binary.BigEndian.PutUint32(segment, crc32.Checksum(segment[crcSize:], castagnoli))
	return segment, rows
}

// unpackSegment returns the rows of a segment's entries, after a check of all its bytes.
func unpackSegment(seq uint64, segment []byte) ([]row, error) {
	if err := checkSegment(segment); err != nil {
		return nil, err
	}
	var rows []row
	for at := crcSize; at < len(segment); {
		key, value, err := entryAt(segment, uint32(at))
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{key, seq, uint32(at)})
		at += entryHead + len(value)
	}
	return rows, nil
}

// checkSegment takes about a microsecond.
func checkSegment(segment []byte) error {
	if len(segment) < crcSize || binary.BigEndian.Uint32(segment) != crc32.Checksum(segment[crcSize:], castagnoli) {
		return fmt.Errorf("%w: a segment has a wrong checksum", sightings.ErrDamaged)
	}
	return nil
}

// entryAt reads the entry at an offset. The value points into the segment.
func entryAt(segment []byte, offset uint32) (key sightings.Key, value []byte, err error) {
	if int64(offset) < crcSize || int64(offset)+entryHead > int64(len(segment)) {
		return key, nil, fmt.Errorf("%w: an entry is outside of its segment", sightings.ErrDamaged)
	}
	rest := segment[offset:]
	key = sightings.Key(rest)
	size := int(binary.BigEndian.Uint16(rest[sightings.KeySize:]))
	if entryHead+size > len(rest) {
		return key, nil, fmt.Errorf("%w: a value is cut short", sightings.ErrDamaged)
	}
	return key, rest[entryHead : entryHead+size], nil
}

func packRun(rows []row) []byte {
	run := make([]byte, 0, len(rows)*rowSize)
	for _, r := range rows {
		run = append(run, r.key[:]...)
		run = binary.BigEndian.AppendUint64(run, r.seq)
		run = binary.BigEndian.AppendUint32(run, r.offset)
	}
	return run
}

func rowAt(run []byte, i int) row {
	b := run[i*rowSize : (i+1)*rowSize]
	return row{
		key:    sightings.Key(b),
		seq:    binary.BigEndian.Uint64(b[sightings.KeySize:]),
		offset: binary.BigEndian.Uint32(b[sightings.KeySize+8:]),
	}
}

// unpackRun returns all rows, after a check that they are sorted.
func unpackRun(run []byte) ([]row, error) {
	if len(run)%rowSize != 0 {
		return nil, fmt.Errorf("%w: a run is cut short", sightings.ErrDamaged)
	}
	rows := make([]row, len(run)/rowSize)
	for i := range rows {
		rows[i] = rowAt(run, i)
	}
	if !slices.IsSortedFunc(rows, compareRows) {
		return nil, fmt.Errorf("%w: a run is not sorted", sightings.ErrDamaged)
	}
	return rows, nil
}

// searchRun appends the rows of a key.
func searchRun(to []row, run []byte, key sightings.Key) []row {
	n := len(run) / rowSize
	low, high := 0, n
	for low < high {
		mid := int(uint(low+high) / 2)
		if bytes.Compare(run[mid*rowSize:mid*rowSize+sightings.KeySize], key[:]) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	for ; low < n; low++ {
		r := rowAt(run, low)
		if r.key != key {
			break
		}
		to = append(to, r)
	}
	return to
}
