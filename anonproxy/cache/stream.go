package cache

import (
	"io"
	"net/http"
	"sync"
)

// buffers are reused between streams.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// stream copies the tool's own body as it comes.
func (r *Reply) stream(w http.ResponseWriter) error {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	var body io.Reader = r.answer.direct
	if r.part.Length > 0 {
		body = r.part.Of(body)
	}
	var flusher *http.ResponseController
	for size := int64(0); ; {
		n, err := body.Read(buf[:])
		size += int64(n)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return &WriteError{err}
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		// A short read means that more is slow to come: hand on what is there.
		if n < len(buf) && size != r.Length {
			if flusher == nil {
				flusher = http.NewResponseController(w)
			}
			_ = flusher.Flush()
		}
	}
}
