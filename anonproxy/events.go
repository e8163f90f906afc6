package anonproxy

import (
	"cmp"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// wantsEvents tells what EventSource sends from other requests for data.
func wantsEvents(r *http.Request, kind noticeboard.Kind) bool {
	accept, _ := headers.Single(r.Header, "Accept")
	return accept == headers.EventStream && r.Method == http.MethodGet && (kind == noticeboard.Data || kind == headers.AnyKind)
}

// serveEvents passes on a stream of events (HTML, section "Server-sent events")
// for as long as it lasts. Last-Event-ID is not sent: the tool chose it for this
// reader, so it would be their cookie.
func (p *Proxy) serveEvents(w http.ResponseWriter, r *http.Request, reader *Reader, up *upstream, req request) (string, *refusal.Refusal) {
	if !up.tool.Opens(noticeboard.Events) {
		return "", outcomes.BadRequest(http.StatusForbidden, "the tool isn't declared for event streams")
	}
	s, f, refused := p.beginStream(w, r, reader, up, req)
	if refused != nil {
		return "", refused
	}
	defer s.close()
	defer f.cancel(nil)
	req.kind = headers.EventsKind
	res, refused := f.get(req)
	f.freeSlots()
	if refused != nil {
		return "", cmp.Or(s.ended(), refused)
	}
	defer res.Body.Close()
	if refused := checkEvents(res); refused != nil {
		return "", refused
	}
	if res.StatusCode == http.StatusNoContent { // tells EventSource not to come again
		headers.Force(w.Header(), "", "no-store", -1)
		w.WriteHeader(http.StatusNoContent)
		return outcomes.OK, nil
	}
	headers.Force(w.Header(), headers.EventStream, "no-store", -1)
	w.WriteHeader(http.StatusOK)
	return f.passEvents(w, s, res.Body), nil
}

// checkEvents tells why a response isn't a stream of events to pass on.
func checkEvents(res *http.Response) *refusal.Refusal {
	switch status := res.StatusCode; {
	case status == http.StatusNoContent:
		return nil
	case status >= 400 && status <= 599 && status != http.StatusProxyAuthRequired:
		return refusal.Literal(status, outcomes.ToolError, "the tool answers with status "+strconv.Itoa(status))
	case status != http.StatusOK:
		return outcomes.BadResponse("the tool answers with a status that isn't passed on")
	}
	if fields := res.Header["Content-Type"]; len(fields) == 1 {
		mediaType, params, err := mime.ParseMediaType(fields[0])
		charset, told := params["charset"]
		if err == nil && mediaType == headers.EventStream && (!told || strings.EqualFold(charset, "utf-8")) {
			return nil
		}
	}
	return outcomes.BadResponse("the tool's answer isn't a stream of events")
}

// passEvents copies events as they come and says how that ended. An end is never a
// broken answer: EventSource drops an event that isn't whole, and connects anew.
//
// Nothing bounds the time but the silence: of the tool, and of a reader who takes
// nothing. The size limit is the whole stream's.
func (f *fetch) passEvents(w http.ResponseWriter, s *stream, body io.Reader) string {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	out := http.NewResponseController(w)
	defer func() { _ = out.SetWriteDeadline(time.Time{}) }() // the connection may serve on
	_ = out.Flush()                                          // EventSource is open from here on
	for size := int64(0); ; {
		f.deadline = time.Now().Add(f.up.timeout)
		f.watch(f.up.timeout)
		n, err := body.Read(buf[:])
		f.watchdog.Stop()
		if size += int64(n); size > f.up.maxSize {
			return outcomes.TooLarge
		}
		if n > 0 {
			_ = out.SetWriteDeadline(time.Now().Add(f.up.timeout)) // not every writer can
			if _, err := w.Write(buf[:n]); err != nil {
				return outcomes.Canceled
			}
			if err := out.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return outcomes.Canceled
			}
		}
		if err != nil {
			return f.eventsEnded(s, err)
		}
	}
}

func (f *fetch) eventsEnded(s *stream, err error) string {
	switch refused := s.ended(); {
	case refused != nil:
		return refused.Reason
	case err == io.EOF:
		return outcomes.OK
	case s.ctx.Err() != nil:
		return outcomes.Canceled
	case errors.Is(context.Cause(f.ctx), errTimeout):
		return outcomes.Timeout
	}
	return outcomes.Unreachable
}
