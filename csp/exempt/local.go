package exempt

import (
	"slices"
	"strconv"
	"strings"

	"github.com/wikiveil/wikiveil/csp"
)

// localPrefix comes before the port in the name of a developer's exemption. No
// declared tool's name has a colon.
const localPrefix = "localhost:"

// LocalKinds is all that a developer's exemption can let through. Scripts are among
// it, by origin: to run a gadget before it is published is what it is for.
func LocalKinds() []Kind { return []Kind{Img, Font, Style, Media, Data, Script} }

// localTool returns the tool behind "localhost:PORT", or nil if there is none.
func localTool(name string, kinds []Kind) *Tool {
	text, ok := strings.CutPrefix(name, localPrefix)
	port, err := strconv.ParseUint(text, 10, 16)
	if !ok || err != nil || port == 0 || strconv.FormatUint(port, 10) != text || len(kinds) == 0 {
		return nil
	}
	t := &Tool{
		Name: name, Title: name, Kinds: kinds, Local: true,
		Origins: []string{"http://localhost:" + text, "http://127.0.0.1:" + text},
		sources: make(map[Kind][]csp.Source, len(kinds)),
	}
	origins, err := parseOrigins(t.Origins)
	if err != nil {
		return nil
	}
	for _, kind := range kinds {
		t.sources[kind] = origins
	}
	if slices.Contains(kinds, Data) {
		// Development servers tell over a WebSocket that a file has changed; http: does not cover it.
		t.Origins = append(t.Origins, "ws://localhost:"+text, "ws://127.0.0.1:"+text)
		t.sources[Data] = slices.Clone(origins)
		for _, origin := range t.Origins[len(origins):] {
			src, err := csp.ParseSource(origin)
			if err != nil {
				return nil
			}
			t.sources[Data] = append(t.sources[Data], src)
		}
	}
	t.bind()
	return t
}
