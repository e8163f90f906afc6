package transport

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Bounds of frames that go to a tool.
const (
	frameHeadSize = 9
	maxFragment   = 16 << 10 // what every peer takes (RFC 9113, section 4.2)
	maxBlock      = 1 << 20  // far more than a request of ours
	keptBuffer    = 64 << 10 // a buffer that grew over this isn't kept
	closeGrace    = 250 * time.Millisecond
)

// orderedConn is the connection of an HTTP/2 client whose header blocks leave in one
// order and one coding. Go's client ranges over a map, and its HPACK table makes
// the bytes of a request depend on who asked before on the same connection.
type orderedConn struct {
	*tls.Conn

	mu    sync.Mutex
	order headerOrder
	out   []byte
	err   error // the first; nothing is written after it
}

func newOrderedConn(conn *tls.Conn) *orderedConn {
	c := &orderedConn{Conn: conn}
	c.order.init()
	return c
}

// Write writes the frames that are whole by now and keeps the rest back.
func (c *orderedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if c.out, c.err = c.order.appendFrames(c.out[:0], p); c.err != nil {
		c.NetConn().Close() // nobody waits for an answer on it in vain
		return 0, c.err
	}
	if len(c.out) > 0 {
		if _, c.err = c.Conn.Write(c.out); c.err != nil {
			return 0, c.err
		}
	}
	if cap(c.out) > keptBuffer {
		c.out = nil
	}
	return len(p), nil
}

// Close doesn't wait long for a peer that takes nothing, not even a goodbye.
func (c *orderedConn) Close() error {
	t := time.AfterFunc(closeGrace, func() { c.NetConn().Close() })
	defer t.Stop()
	return c.Conn.Close()
}

// headerOrder rewrites a client's side of an HTTP/2 connection (RFC 9113): each
// header block with its fields sorted and without HPACK's dynamic table (RFC 7541),
// so that equal requests are equal bytes. All other frames pass as they are.
type headerOrder struct {
	begun bool   // the preface is through
	held  []byte // begins with a frame, or the preface, that isn't whole yet

	block  []byte // of the header block that is coming in
	stream uint32 // whose; 0 while none is
	flags  http2.Flags
	dep    []byte // the priority field of HEADERS, if there is one

	fields  []hpack.HeaderField
	decoder *hpack.Decoder
	encoder *hpack.Encoder
	encoded bytes.Buffer
}

func (o *headerOrder) init() {
	o.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) { o.fields = append(o.fields, f) })
	o.encoder = hpack.NewEncoder(&o.encoded)
	o.encoder.SetMaxDynamicTableSizeLimit(0)
}

// appendFrames takes the next bytes of the connection and appends to out what can be sent.
func (o *headerOrder) appendFrames(out, p []byte) ([]byte, error) {
	if len(o.held) > 0 {
		o.held = append(o.held, p...)
		p = o.held
	}
	if !o.begun {
		n := min(len(p), len(http2.ClientPreface))
		if string(p[:n]) != http2.ClientPreface[:n] {
			return out, errors.New("reading HTTP/2: no client preface")
		}
		if o.begun = n == len(http2.ClientPreface); o.begun {
			out, p = append(out, p[:n]...), p[n:]
		}
	}
	for o.begun && len(p) >= frameHeadSize {
		size := frameHeadSize + int(uint32(p[0])<<16|uint32(p[1])<<8|uint32(p[2]))
		if len(p) < size {
			break
		}
		var err error
		if out, err = o.appendFrame(out, p[:size]); err != nil {
			return out, fmt.Errorf("reading HTTP/2: %w", err)
		}
		p = p[size:]
	}
	if o.held = append(o.held[:0], p...); len(p) == 0 && cap(o.held) > keptBuffer {
		o.held = nil
	}
	return out, nil
}

// appendFrame takes one whole frame.
func (o *headerOrder) appendFrame(out, frame []byte) ([]byte, error) {
	kind, flags := http2.FrameType(frame[3]), http2.Flags(frame[4])
	stream := binary.BigEndian.Uint32(frame[5:]) & (1<<31 - 1)
	payload := frame[frameHeadSize:]
	switch {
	case o.stream != 0 && (kind != http2.FrameContinuation || stream != o.stream):
		return out, errors.New("a frame within a header block")
	case o.stream == 0 && kind == http2.FrameContinuation:
		return out, errors.New("a continuation of nothing")
	case kind == http2.FrameHeaders:
		switch {
		case stream == 0:
			return out, errors.New("headers of no stream")
		case flags.Has(http2.FlagHeadersPadded): // our client pads nothing
			return out, errors.New("padded headers")
		case flags.Has(http2.FlagHeadersPriority) && len(payload) < 5:
			return out, errors.New("a short priority")
		}
		o.stream, o.flags, o.block, o.dep = stream, flags, o.block[:0], o.dep[:0]
		if flags.Has(http2.FlagHeadersPriority) {
			o.dep, payload = append(o.dep, payload[:5]...), payload[5:]
		}
	case kind == http2.FramePushPromise:
		return out, errors.New("a push from the client")
	case kind != http2.FrameContinuation:
		return append(out, frame...), nil
	}
	if o.block = append(o.block, payload...); len(o.block) > maxBlock {
		return out, errors.New("an overlong header block")
	}
	if !flags.Has(http2.FlagHeadersEndHeaders) { // CONTINUATION has the same bit for it
		return out, nil
	}
	return o.appendBlock(out)
}

// appendBlock appends the frames of the header block that has come in.
func (o *headerOrder) appendBlock(out []byte) ([]byte, error) {
	o.fields = o.fields[:0]
	if _, err := o.decoder.Write(o.block); err != nil {
		return out, err
	}
	if err := o.decoder.Close(); err != nil {
		return out, err
	}
	slices.SortStableFunc(o.fields, func(a, b hpack.HeaderField) int {
		if a.IsPseudo() != b.IsPseudo() { // those must be first
			if a.IsPseudo() {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	o.encoded.Reset()
	// Each block says that no table is used: the first must where the peer lowers
	// its limit, and so all do.
	o.encoder.SetMaxDynamicTableSize(0)
	for _, f := range o.fields {
		if err := o.encoder.WriteField(f); err != nil {
			return out, err
		}
	}
	kind, flags := http2.FrameHeaders, o.flags&^http2.FlagHeadersEndHeaders
	for rest, dep := o.encoded.Bytes(), o.dep; ; {
		n := min(len(rest), maxFragment-len(dep))
		if n == len(rest) {
			flags |= http2.FlagHeadersEndHeaders
		}
		size := n + len(dep)
		out = append(out, byte(size>>16), byte(size>>8), byte(size), byte(kind), byte(flags))
		out = binary.BigEndian.AppendUint32(out, o.stream)
		out = append(append(out, dep...), rest[:n]...)
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
		kind, flags, dep = http2.FrameContinuation, 0, nil
	}
	clear(o.fields) // they hold what a reader asked for
	o.stream = 0
	if cap(o.block) > keptBuffer {
		o.block = nil
	}
	return out, nil
}
