package exempt

import (
	"strconv"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const (
	// Life is how long a grant counts.
	Life = 30 * 24 * time.Hour
	// localLife is how long one for a port of the reader's own machine counts.
	localLife = 24 * time.Hour

	// localPrefix comes before the port in the name of such a tool. No declared tool's
	// name has a colon.
	localPrefix = "localhost:"
)

// Tool is a declared tool that a reader may let through, or a port of a developer's own
// machine.
type Tool struct {
	*noticeboard.Tool
	state confirm.Binding
}

// newTool binds grants to what the reader agrees to, which has all that is let through: nothing
// widens that a reader did not see.
func newTool(e noticeboard.Entry) *Tool {
	return &Tool{e.Tool, confirm.Bind("wikiveil/v1/exempt/consent", e.Consent)}
}

// localTool returns the tool behind "localhost:PORT", or nil if there is none. Scripts are among
// what it lets through, by origin: to run a gadget before it is published is what it is for.
func localTool(name string) *Tool {
	port, ok := strings.CutPrefix(name, localPrefix)
	n, err := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return nil
	}
	tool := &noticeboard.Tool{
		Name: name, Title: name, Origin: "http://" + name, Hosts: []string{"127.0.0.1:" + port},
		Kinds: append(noticeboard.Kinds(), noticeboard.Script),
	}
	return newTool(noticeboard.Entry{Tool: tool, Consent: tool.ConsentHash(0)})
}

// Local reports whether it is a port of the reader's own machine.
func (t *Tool) Local() bool { return strings.HasPrefix(t.Name, localPrefix) }

// Life is how long a grant for the tool counts.
func (t *Tool) Life() time.Duration { return lifeOf(t.Name) }

func lifeOf(name string) time.Duration {
	if strings.HasPrefix(name, localPrefix) {
		return localLife
	}
	return Life
}

// Origins are what a browser may load from. Development servers tell over a WebSocket that a
// file has changed, which http: does not cover.
func (t *Tool) Origins() []string {
	origins := t.Tool.Origins()
	if t.Local() {
		for _, host := range append([]string{t.Name}, t.Hosts...) {
			origins = append(origins, "ws://"+host)
		}
	}
	return origins
}

// sources are what a policy has to let through for a kind.
func (t *Tool) sources(kind noticeboard.Kind) ([]csp.Source, error) {
	texts := t.Tool.Origins()
	switch {
	case kind == noticeboard.Data:
		texts = t.Origins()
	case kind == noticeboard.Script && !t.Local():
		// By its hash alone: an origin would let whatever lies there run.
		texts = nil
		for _, hash := range t.Integrity {
			texts = append(texts, "'"+hash+"'")
		}
	}
	return parseSources(texts)
}

func parseSources(texts []string) ([]csp.Source, error) {
	sources := make([]csp.Source, 0, len(texts))
	for _, text := range texts {
		source, err := csp.ParseSource(text)
		if err != nil {
			return nil, err
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// Review tells by whom and when the declaration was checked.
func (t *Tool) Review() string {
	return strings.Trim(t.Reviewer+", "+t.Reviewed.String(), ", ")
}
