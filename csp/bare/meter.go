package bare

import (
	"errors"

	"golang.org/x/net/http2"
)

// HeaderLimit returns the limit of all header of one request that a server needs so that its own
// answer 431 can't be met within maxBlock bytes of compressed header, by a browser.
//
// Decompressed, HTTP/2 counts 8/5 of the bytes at most (its shortest codes have five bits), 32 more for each
// field, of which browsers send a few hundred (they keep 180 cookies of a site), and what the connection
// remembers, which is 4 KB.
func HeaderLimit(maxBlock int) int { return 2*maxBlock + 64<<10 }

// MaxBlock is the inverse of [HeaderLimit].
func MaxBlock(headerLimit int) int { return max(0, headerLimit-64<<10) / 2 }

var errHeaderTooLarge = errors.New("a request's header takes too many bytes")

// meter follows the frames that a client sends, as far as it takes to measure requests' headers.
type meter struct {
	maxBlock int
	preface  int // bytes of it that were read; -1: this isn't HTTP/2
	header   [9]byte
	have     int // bytes of header
	skip     int // bytes of the payload that are to come
	block    int // bytes of the header's block so far
}

func (m *meter) isHTTP2() bool { return m.preface == len(http2.ClientPreface) }

// read takes what was read next.
func (m *meter) read(p []byte) error {
	for ; m.preface >= 0 && !m.isHTTP2() && len(p) > 0; p = p[1:] {
		if p[0] != http2.ClientPreface[m.preface] {
			m.preface = -1
			break
		}
		m.preface++
	}
	if !m.isHTTP2() {
		return nil
	}
	for len(p) > 0 {
		n := min(m.skip, len(p))
		m.skip -= n
		p = p[n:]
		n = copy(m.header[m.have:], p)
		p = p[n:]
		if m.have += n; m.have == len(m.header) {
			if err := m.frame(); err != nil {
				return err
			}
		}
	}
	return nil
}

// frame takes a frame's header.
func (m *meter) frame() error {
	m.have = 0
	m.skip = int(m.header[0])<<16 | int(m.header[1])<<8 | int(m.header[2])
	switch http2.FrameType(m.header[3]) {
	case http2.FrameHeaders:
		m.block = m.skip
	case http2.FrameContinuation:
		m.block += m.skip
	default:
		return nil
	}
	if m.block > m.maxBlock {
		return errHeaderTooLarge
	}
	return nil
}
