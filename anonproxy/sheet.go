package anonproxy

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/text/encoding/charmap"

	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// sheetType is the type of the style sheets that are passed on.
const sheetType = "text/css; charset=utf-8"

// rewriting bounds how many style sheets are rewritten at one time.
var rewriting = make(chan struct{}, 4)

// tameSheet replaces a style sheet by one that loads nothing. A sheet sees the whole page:
// `a[title^="User:Z"]{background:url(z)}`, or a font for some letters only (unicode-range),
// would tell the tool, letter by letter, whose page it is. So what it shows it may choose
// by whatever it likes, but no choice of its has the browser ask for anything. It returns
// the type to pass on.
func (f *fetch) tameSheet(res *http.Response, method, contentType string) (string, *refusal.Refusal) {
	if !strings.HasPrefix(contentType, "text/css") || res.StatusCode == http.StatusNoContent {
		return contentType, nil
	}
	if method == http.MethodHead {
		res.ContentLength = -1
		return sheetType, nil
	}
	sheet, err := io.ReadAll(io.LimitReader(readerFunc(func(p []byte) (int, error) {
		f.watch(f.p.cfg.IdleTimeout)
		defer f.rest()
		return res.Body.Read(p)
	}), mirror.MaxSheet+1))
	f.watchdog.Stop()
	if err != nil {
		return "", f.notYetBroken(err)
	}
	if strings.HasSuffix(contentType, "1252") || strings.Contains(contentType, "iso-8859") {
		if sheet, err = charmap.Windows1252.NewDecoder().Bytes(sheet); err != nil {
			return "", outcomes.BadResponse(mirror.ErrSheetText.Error())
		}
	}
	rewriting <- struct{}{}
	sheet, err = mirror.Sheet{Base: f.up.origin, Address: func(*url.URL) (string, bool) { return "", false }}.Rewrite(sheet)
	<-rewriting
	if err != nil {
		return "", outcomes.BadResponse(err.Error())
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(sheet), res.Body}
	res.ContentLength = int64(len(sheet))
	return sheetType, nil
}

// notYetBroken is broken for an answer of which the reader has seen nothing.
func (f *fetch) notYetBroken(err error) *refusal.Refusal {
	refused := f.broken(err)
	refused.Status = http.StatusBadGateway
	if refused.Reason == outcomes.Timeout {
		refused.Status = http.StatusGatewayTimeout
	}
	return refused
}
