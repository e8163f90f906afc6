package noticeboard

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// rewriteCode is a function of where addresses lead.
//
//go:embed rewrite.js
var rewriteCode string

// noticeCode says on pages that a tool was stopped.
//
//go:embed notice.js
var noticeCode []byte

var noticeScript = newDocument(noticeCode)

// noticePath is the place of that script, likewise
const noticePath = "notice.js"

// rewritePath is the script's place below the prefix. A tool can't take it, as no tool's name has a dot.
const rewritePath = "rewrite.js"

// rewriteScript is the script that leads gadgets' requests for tools that declare Rewrite to the proxy, as they can be used now. It is one for all readers.
func rewriteScript(prefix string, listings []Listing) document {
	origins, files := make(map[string]string), make(map[string]string) // to paths on the wiki
	frames := make(map[string]framed)
	for _, l := range listings {
		switch {
		case l.Hash == "" || l.Refusal != nil || !l.Tool.Rewrite:
		case l.Tool.IsMirror():
			for _, a := range l.Tool.MirrorAddresses(prefix) {
				files[a.URL] = a.Versioned
			}
		default:
			if l.Tool.Proxied() {
				origins[l.Tool.Origin] = prefix + l.Tool.Name + "/"
			}
			if l.Tool.Has(Frame) {
				frames[l.Tool.Origin] = framed{FramePath + l.Tool.Name + "/", l.Tool.AllowAttribute()}
			}
		}
	}
	form, _ := json.Marshal(map[string]any{"origins": origins, "files": files, "frames": frames}) // texts
	return newDocument([]byte(rewriteCode + "(" + string(form) + ");\n"))
}

// framed is where a tool's pages are framed, and the allow attribute of such a frame.
type framed struct {
	Path  string `json:"path"`
	Allow string `json:"allow"`
}

// checkRewrite refuses what nothing could be led to.
func (t *Tool) checkRewrite() *Error {
	if t.Rewrite && !t.Proxied() && !t.Has(Frame) {
		return wrong("rewrite", "rewrite leads gadgets to the proxy: make access %q or %q, or leave rewrite out", ByProxy, ByBoth)
	}
	return nil
}

// ledAddresses are those from which gadgets are led to the proxy, and the tools that do so: origins, and addresses of mirrors' files.
type ledAddresses map[string]string

// add takes in a tool in normal form. The error says which other tool has one of its addresses; then nothing is taken in. A tool that its
// declaration disables leads nothing, so that it never stands in the way, nor in its own.
func (l ledAddresses) add(t *Tool) error {
	if !t.Rewrite || t.Disabled {
		return nil
	}
	addresses := []string{t.Origin}
	if t.IsMirror() {
		addresses = nil
		for _, file := range t.Mirror {
			if u, err := t.mirrorURL(file); err == nil { // as in each of normal form
				addresses = append(addresses, u.String())
			}
		}
	}
	for _, address := range addresses {
		if first, taken := l[address]; taken {
			return fmt.Errorf("tools %q and %q both lead gadgets from %s to the proxy: leave rewrite out of one", first, t.Name, address)
		}
	}
	for _, address := range addresses {
		l[address] = t.Name
	}
	return nil
}

// version is the part of a document's tag that stands in addresses.
func (d document) version() string { return d.etag[1 : len(d.etag)-1] }

// RewriteScript is the address of the script as it is now, "" where none can be made.
func (p *Page) RewriteScript() string {
	shown, err := p.render(time.Now())
	if err != nil {
		return ""
	}
	return p.opt.Prefix + rewritePath + "?" + shown.script.version()
}

// serveScript answers with a script. What is asked for by its version may be kept for good.
func serveScript(w http.ResponseWriter, r *http.Request, script document) {
	lifetime := "public, max-age=300"
	if r.URL.RawQuery == script.version() {
		lifetime = "public, max-age=31536000, immutable"
	}
	serve(w, r, script, "text/javascript; charset=utf-8", lifetime)
}
