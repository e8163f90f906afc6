package wiretest

import (
	"errors"
	"fmt"
)

// ClientHellos tells what the ClientHellos (RFC 8446, section 4.1.2) at the start of a
// connection say, a line for each part in its order: all but the random, the session id
// and the keys of key shares, of which it tells the lengths.
func ClientHellos(sent []byte) (parts []string, err error) {
	r := &reader{rest: sent}
	var hello []byte
	for len(r.rest) > 0 && (r.rest[0] == 20 || r.rest[0] == 22) {
		handshake := r.rest[0] == 22 // 20, for old middle boxes, says nothing
		r.take(3)
		if record := r.take(r.number(2)); handshake {
			hello = append(hello, record...)
		}
	}
	for h := (&reader{rest: hello}); len(h.rest) > 0 && h.rest[0] == 1; r.short = r.short || h.short {
		h.take(1)
		body := &reader{rest: h.take(h.number(3))}
		parts = append(parts, fmt.Sprintf("version %x", body.take(2)))
		body.take(32) // random
		parts = append(parts, fmt.Sprintf("a session id of %d bytes", len(body.take(body.number(1)))))
		parts = append(parts, fmt.Sprintf("ciphers %x", body.take(body.number(2))))
		parts = append(parts, fmt.Sprintf("compression %x", body.take(body.number(1))))
		extensions := &reader{rest: body.take(body.number(2))}
		for len(extensions.rest) > 0 && !extensions.short {
			kind := extensions.number(2)
			data := extensions.take(extensions.number(2))
			if kind != 51 {
				parts = append(parts, fmt.Sprintf("%d: %x", kind, data))
				continue
			}
			shares := &reader{rest: data}
			for shares.number(2); len(shares.rest) > 0 && !shares.short; {
				group := shares.number(2)
				parts = append(parts, fmt.Sprintf("51: a key of %d bytes for group %d", len(shares.take(shares.number(2))), group))
			}
		}
		h.short = h.short || body.short || extensions.short
	}
	if r.short || len(parts) == 0 {
		return parts, errors.New("no whole ClientHello")
	}
	return parts, nil
}

// reader takes apart what TLS puts together.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.short, n = true, len(r.rest)
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) number(size int) (n int) {
	for _, b := range r.take(size) {
		n = n<<8 | int(b)
	}
	return n
}
