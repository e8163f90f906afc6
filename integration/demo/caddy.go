package demo

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(WikiHandler{})
	caddy.RegisterModule(ToolHandler{})
	httpcaddyfile.RegisterHandlerDirective("demo_wiki", parseWiki)
	httpcaddyfile.RegisterDirectiveOrder("demo_wiki", httpcaddyfile.Before, "file_server")
	httpcaddyfile.RegisterHandlerDirective("demo_tool", parseTool)
	httpcaddyfile.RegisterDirectiveOrder("demo_tool", httpcaddyfile.Before, "file_server")
}

// pool keeps notes and counts over config reloads.
var pool = caddy.NewUsagePool()

const (
	notesKey = "notes"
	toolKey  = "tool"
)

// WikiHandler answers every request as the demo wiki.
type WikiHandler struct {
	// ThirdParty is the origin that the wiki's page tries to load resources
	// from. Default: http://127.0.0.1:8082
	ThirdParty string `json:"third_party,omitempty"`
	// Tool is the name under which the edge declares that third party.
	// Default: demo
	Tool string `json:"tool,omitempty"`

	wiki   *Wiki
	pooled bool
}

// CaddyModule returns the Caddy module information.
func (WikiHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.demo_wiki", New: func() caddy.Module { return new(WikiHandler) }}
}

// Provision makes the wiki, with the notes of the config before.
func (h *WikiHandler) Provision(caddy.Context) error {
	if h.ThirdParty == "" {
		h.ThirdParty = "http://127.0.0.1:8082"
	}
	if h.Tool == "" {
		h.Tool = "demo"
	}
	notes, _ := pool.LoadOrStore(notesKey, new(Notes))
	h.pooled = true
	wiki, err := NewWiki(notes.(*Notes), h.ThirdParty, h.Tool)
	if err != nil {
		return fmt.Errorf("demo_wiki: %w", err)
	}
	h.wiki = wiki
	return nil
}

// Cleanup gives the notes up, which are forgotten with the last config that shows them.
func (h *WikiHandler) Cleanup() error {
	if !h.pooled {
		return nil
	}
	_, err := pool.Delete(notesKey)
	return err
}

func (h *WikiHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	h.wiki.ServeHTTP(w, r)
	return nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	demo_wiki {
//	    third_party <origin>
//	    tool        <name>
//	}
func (h *WikiHandler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		var option *string
		switch d.Val() {
		case "third_party":
			option = &h.ThirdParty
		case "tool":
			option = &h.Tool
		default:
			return d.Errf("unknown option %q; known: third_party, tool", d.Val())
		}
		if !d.AllArgs(option) {
			return d.ArgErr()
		}
	}
	return nil
}

// ToolHandler answers every request as the demo's third party.
type ToolHandler struct {
	tool *Tool
}

// CaddyModule returns the Caddy module information.
func (ToolHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.demo_tool", New: func() caddy.Module { return new(ToolHandler) }}
}

// Provision makes the tool, with the counts of the config before.
func (h *ToolHandler) Provision(caddy.Context) error {
	tool, _, err := pool.LoadOrNew(toolKey, func() (caddy.Destructor, error) { return NewTool() })
	if err != nil {
		return fmt.Errorf("demo_tool: %w", err)
	}
	h.tool = tool.(*Tool)
	return nil
}

// Cleanup gives the tool up.
func (h *ToolHandler) Cleanup() error {
	if h.tool == nil {
		return nil
	}
	_, err := pool.Delete(toolKey)
	return err
}

func (h *ToolHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	h.tool.ServeHTTP(w, r)
	return nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	demo_tool
func (h *ToolHandler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if d.NextArg() || d.NextBlock(0) {
		return d.ArgErr()
	}
	return nil
}

func parseWiki(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(WikiHandler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

func parseTool(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(ToolHandler)
	return handler, handler.UnmarshalCaddyfile(h.Dispenser)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*WikiHandler)(nil)
	_ caddy.CleanerUpper          = (*WikiHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*WikiHandler)(nil)
	_ caddyfile.Unmarshaler       = (*WikiHandler)(nil)
	_ caddy.Provisioner           = (*ToolHandler)(nil)
	_ caddy.CleanerUpper          = (*ToolHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*ToolHandler)(nil)
	_ caddyfile.Unmarshaler       = (*ToolHandler)(nil)
)
