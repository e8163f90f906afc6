package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	version = 1
	// padding hides the length of names, reasons and lists of masks.
	padding = 128
	// maxSealed is more than any valid entry needs.
	maxSealed = 8 << 10
)

// errForm is what the decoders give for bytes that no encoder made.
var errForm = errors.New("not of its form")

// record is an entry's stored form. All but the content is readable without a key.
type record struct {
	sequence uint64
	time     time.Time
	action   Action
	previous Hash
	sealed   []byte
}

// appendHead appends what comes before the sealed content, which is bound to it.
func (r record) appendHead(b []byte) []byte {
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, r.sequence)
	b = appendTime(b, r.time)
	b = append(b, byte(r.action))
	return append(b, r.previous[:]...)
}

func (r record) encode() []byte { return appendBytes(r.appendHead(nil), r.sealed) }

func decodeRecord(data []byte) (record, error) {
	d := &decoder{rest: data}
	d.version()
	r := record{sequence: d.uint64(), time: d.time(), action: Action(d.byte()), previous: d.hash()}
	r.sealed = d.bytes(maxSealed)
	if err := d.end(); err != nil {
		return record{}, err
	}
	if r.sequence == 0 || !r.action.Valid() {
		return record{}, errForm
	}
	return r, nil
}

// encodeContent gives the part of an entry that is to be encrypted.
func encodeContent(e Entry) []byte {
	b := appendString(appendString(nil, e.Performer), e.Name)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Masks)))
	for _, m := range e.Masks {
		as16 := m.As16()
		b = append(b, as16[:]...)
	}
	b = appendString(b, e.Reason)
	return append(b, make([]byte, (padding-len(b)%padding)%padding)...)
}

// decodeContent reads the decrypted part of an entry into e. What it accepts
// encodes to the same bytes again, so an entry has one form only.
func decodeContent(data []byte, e *Entry) error {
	d := &decoder{rest: data}
	e.Performer, e.Name = string(d.bytes(MaxPerformer)), string(d.bytes(MaxPerformer))
	n := d.uint32()
	if n > MaxMasks {
		return errForm
	}
	e.Masks = make([]netip.Addr, 0, n)
	for range n {
		e.Masks = append(e.Masks, netip.AddrFrom16([16]byte(d.take(16))))
	}
	e.Reason = string(d.bytes(MaxReason))
	if d.failed || len(data)%padding != 0 || len(d.rest) >= padding || slices.ContainsFunc(d.rest, func(b byte) bool { return b != 0 }) {
		return errForm
	}
	if err := e.Validate(); err != nil {
		return fmt.Errorf("%w: %w", errForm, err)
	}
	if !slices.Equal(e.Masks, maskSet(e.Masks)) {
		return errForm
	}
	return nil
}

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMilli()))
}

func appendBytes(b, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
}

func appendString(b []byte, s string) []byte { return appendBytes(b, []byte(s)) }

// decoder reads a canonical form. After a failure it gives zeroes.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) take(n int) []byte {
	if d.failed || n > len(d.rest) {
		d.failed = true
		return make([]byte, min(n, maxSealed))
	}
	data := d.rest[:n]
	d.rest = d.rest[n:]
	return data
}

func (d *decoder) byte() byte     { return d.take(1)[0] }
func (d *decoder) uint32() uint32 { return binary.BigEndian.Uint32(d.take(4)) }
func (d *decoder) uint64() uint64 { return binary.BigEndian.Uint64(d.take(8)) }
func (d *decoder) hash() Hash     { return Hash(d.take(len(Hash{}))) }

func (d *decoder) time() time.Time { return time.UnixMilli(int64(d.uint64())).UTC() }

func (d *decoder) version() {
	if d.byte() != version {
		d.failed = true
	}
}

// bytes reads a length of at most so many bytes, and the bytes.
func (d *decoder) bytes(most int) []byte {
	n := d.uint32()
	if n > uint32(most) {
		d.failed = true
		return nil
	}
	return d.take(int(n))
}

// end reports whether all went well and nothing is left.
func (d *decoder) end() error {
	if d.failed || len(d.rest) > 0 {
		return errForm
	}
	return nil
}
