package mask

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
)

// maskedWriter puts the mask wherever a response header holds the client's address.
type maskedWriter struct {
	caddyhttp.ResponseWriterWrapper
	needle  needle
	state   *reqstate.State // says which headers are csp's
	session *sessionAnswer  // nil: sessions aren't used
	refused *refusedPage    // nil: a response that refuses a change goes on as it is
	started bool
	headers int32 // when the response began
}

// WriteHeader implements http.ResponseWriter.
func (w *maskedWriter) WriteHeader(status int) {
	if !w.started {
		if onion := w.state.Rare().Onion; onion != "" {
			tellOnion(w.Header(), onion)
		}
		w.needle.scrub(w.Header(), w.state.Headers)
		// An informational response comes before the one that counts.
		w.started = status >= 200 || status == http.StatusSwitchingProtocols
		if w.started && w.session != nil {
			w.session.add(w.Header(), w.state)
		}
		if w.refused.replaces(status, w.Header()) {
			w.refused.serve(w.ResponseWriter)
			return
		}
		w.headers = int32(len(w.Header()))
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *maskedWriter) Write(p []byte) (int, error) {
	w.begin()
	if w.refused.served() {
		return len(p), nil
	}
	return w.ResponseWriterWrapper.Write(p)
}

// ReadFrom implements io.ReaderFrom, which lets the kernel copy files.
func (w *maskedWriter) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	if w.refused.served() {
		return io.Copy(io.Discard, r)
	}
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError implements what http.ResponseController asks of a writer that flushes.
func (w *maskedWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher for handlers that ask for it by type.
func (w *maskedWriter) Flush() { _ = w.FlushError() }

// Hijack implements http.Hijacker.
func (w *maskedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

func (w *maskedWriter) begin() {
	if !w.started {
		w.WriteHeader(http.StatusOK)
	}
}

// finish masks trailers, which handlers add to the header after the body.
func (w *maskedWriter) finish() {
	if h := w.Header(); w.started && len(h) != int(w.headers) || len(h["Trailer"]) > 0 {
		w.needle.scrub(h, w.state.Headers)
	}
}

// Interface guards
var (
	_ http.ResponseWriter = (*maskedWriter)(nil)
	_ http.Flusher        = (*maskedWriter)(nil)
	_ http.Hijacker       = (*maskedWriter)(nil)
	_ http.Pusher         = (*maskedWriter)(nil)
	_ io.ReaderFrom       = (*maskedWriter)(nil)
)
