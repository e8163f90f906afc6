package tools

import (
	"net/http"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/page"
)

// TellReader tells which tools of others there are, and how this reader reaches each.
func (h *AnonProxy) TellReader(r *http.Request, frame page.Frame) []edge.Section {
	s := edge.Section{ID: "tools", Title: frame.Plain("privacy-tools-title")}
	granted := reqstate.Known(r).Rare().Granted
	for tool := range h.tools.board.Board().All() {
		one := h.readerTool(tool, granted)
		switch {
		case one.State == stateConsented:
			s.List = append(s.List, frame.T("privacy-tool-consented", tool.Title))
		case one.State == stateProxied && tool.IsMirror():
			s.List = append(s.List, frame.T("privacy-tool-mirror", tool.Title))
		case one.State == stateProxied:
			s.List = append(s.List, frame.T("privacy-tool-proxied", tool.Title))
		case one.Ask != "":
			s.List = append(s.List, frame.T("privacy-tool-ask", tool.Title, frame.Link(one.Ask)))
		default:
			s.List = append(s.List, frame.T("privacy-tool-off", tool.Title))
		}
	}
	key := "privacy-tools"
	if len(s.List) == 0 {
		key = "privacy-tools-none"
	}
	s.Text = append(s.Text, frame.T(key, frame.Link(h.pageOptions().Prefix)))
	return []edge.Section{s}
}

var _ edge.Teller = (*AnonProxy)(nil)
