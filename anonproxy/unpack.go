package anonproxy

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// A body that grows by more than this while it is unpacked is a bomb. The first
// part is let off: what is small and even may be packed that well.
const (
	maxRatio     = 100
	maxRatioFrom = 1 << 20 // bytes unpacked
)

// codings are those that browsers know. Any other means nothing to them, nor to us: servers
// send `UTF-8`, `none` or `aws-chunked` for what isn't packed at all.
var codings = map[string]bool{
	"gzip": true, "x-gzip": true, "deflate": true, "br": true, "zstd": true, "compress": true, "x-compress": true, "dcb": true, "dcz": true,
}

// packedBy returns the codings of a body that browsers would undo.
func packedBy(fields []string) (known []string) {
	for _, field := range fields {
		for coding := range strings.SplitSeq(field, ",") {
			if coding = strings.ToLower(strings.TrimSpace(coding)); codings[coding] {
				known = append(known, coding)
			}
		}
	}
	return known
}

// unpack takes off a compression that nobody asked for. We ask for none, but there
// are tools that store their answers packed. Only gzip is unpacked, once.
//
// The reader gets what was inside, so types and sizes are checked on that.
func (f *fetch) unpack(res *http.Response, method string) *refusal.Refusal {
	if res.StatusCode == http.StatusNotModified || len(res.Header["Content-Encoding"]) == 0 {
		return nil
	}
	known := packedBy(res.Header["Content-Encoding"])
	switch {
	case len(known) == 0:
		res.Header.Del("Content-Encoding")
		return nil
	case len(known) > 1 || strings.TrimPrefix(known[0], "x-") != "gzip":
		return outcomes.BadResponse("the tool compresses what was asked for plain")
	case res.ContentLength > f.up.maxSize:
		return refusal.Literal(http.StatusBadGateway, outcomes.TooLarge, errTooLarge.Error())
	}
	hasBody := method != http.MethodHead && res.ContentLength != 0 && res.StatusCode != http.StatusNoContent
	res.Header.Del("Content-Encoding")
	if !hasBody {
		if res.ContentLength > 0 { // of what HEAD tells
			res.ContentLength = -1
		}
		return nil
	}
	u := &unpacked{packed: res.Body, limit: f.up.maxSize}
	f.watch(f.p.cfg.IdleTimeout)
	err := u.begin()
	f.watchdog.Stop()
	switch {
	case errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF):
		return outcomes.BadResponse("the tool's answer isn't compressed as it says")
	case err != nil:
		return f.notYetBroken(err)
	}
	res.Body, res.ContentLength, res.Uncompressed = u, -1, true
	return nil
}

// unpacked reads what is inside a gzip body, within limits.
type unpacked struct {
	packed  io.ReadCloser
	buffer  *bufio.Reader // over packed, so that nothing behind a member's end is lost
	gzip    *gzip.Reader  // nil where there is nothing
	limit   int64         // of the packed bytes; who reads limits the others
	in, out int64
}

// begin reads the header.
func (u *unpacked) begin() error {
	u.buffer = bufio.NewReader(readerFunc(u.readPacked))
	if _, err := u.buffer.Peek(1); err == io.EOF {
		return nil // no body at all
	}
	var err error
	if u.gzip, err = gzip.NewReader(u.buffer); err == nil {
		u.gzip.Multistream(false)
	}
	return err
}

// next begins the next gzip member. The error is io.EOF where none follows: servers pad
// bodies with zeros and worse, which browsers take no notice of.
func (u *unpacked) next() error {
	if magic, err := u.buffer.Peek(2); err != nil && err != io.EOF {
		return err
	} else if string(magic) != "\x1f\x8b" {
		return io.EOF
	}
	if err := u.gzip.Reset(u.buffer); err != nil {
		return err
	}
	u.gzip.Multistream(false)
	return nil
}

func (u *unpacked) readPacked(p []byte) (int, error) {
	n, err := u.packed.Read(p)
	if u.in += int64(n); u.in > u.limit {
		return 0, errTooLarge
	}
	return n, err
}

// Read implements io.Reader. It ends where the last gzip member does.
func (u *unpacked) Read(p []byte) (int, error) {
	if u.gzip == nil {
		return 0, io.EOF
	}
	n, err := u.gzip.Read(p)
	if err == io.EOF {
		err = u.next()
	}
	if u.out += int64(n); u.out > maxRatioFrom && u.out/maxRatio > u.in {
		return 0, errTooLarge
	}
	return n, err
}

// Close implements io.Closer.
func (u *unpacked) Close() error { return u.packed.Close() }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Interface guard
var _ io.ReadCloser = (*unpacked)(nil)
