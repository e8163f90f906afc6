package edge

import (
	"encoding"
	"errors"
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/caddymodule/internal/options"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// parseTool parses a tool's declaration, of which "tool" is the current token.
func parseTool(d *caddyfile.Dispenser) (*noticeboard.Tool, error) {
	tool := new(noticeboard.Tool)
	head := *d
	block := toolOptions(tool)
	block.Places = make(map[string]caddyfile.Dispenser) // for errors that show once all is read
	if err := block.Parse(d); err != nil {
		return nil, err
	}
	if err := tool.Validate(); err != nil {
		var wrong *noticeboard.Error
		if errors.As(err, &wrong) {
			if place, ok := block.Places[wrong.Field]; ok {
				return nil, place.WrapErr(err)
			}
		}
		return nil, head.WrapErr(err)
	}
	if tool.AllowLoopback {
		configcheck.WarnAt(&head, "INSECURE: allow_loopback lets the tool "+tool.Name+" be on this machine, which is for tests only")
	}
	return tool, nil
}

func init() { options.Document(toolOptions(new(noticeboard.Tool))) }

// toolOptions are the noticeboard's options of a tool as a block.
func toolOptions(tool *noticeboard.Tool) options.Block {
	block := options.Block{Name: "tool", Args: options.Texts(&tool.Name, &tool.Origin)}
	for _, o := range tool.Options() {
		set, repeats := toolSetter(o.Value)
		block.Options = append(block.Options, options.Option{Name: o.Name, Args: o.Args, Doc: o.Doc, Set: set, Repeats: repeats})
	}
	return block
}

// toolSetter returns what reads an option into its place.
func toolSetter(place any) (set options.Setter, repeats bool) {
	switch v := place.(type) {
	case *string:
		return options.Text(v), false
	case *bool:
		return options.Flag(v), false
	case *[]string:
		return options.List(v), false
	case *[]noticeboard.Kind:
		return options.List(v), false
	case *[]noticeboard.Stream:
		return options.List(v), false
	case *int64:
		return options.Size(v), false
	case *uint64:
		return options.Value(v, parseRevision), false
	case *noticeboard.Duration:
		return options.Duration(v), false
	case *[]noticeboard.MirrorFile:
		return func(d *caddyfile.Dispenser) error {
			var file noticeboard.MirrorFile
			if err := options.Texts(&file.Path, &file.Integrity)(d); err != nil {
				return err
			}
			*v = append(*v, file)
			return nil
		}, true
	}
	return options.Unmarshal(place.(encoding.TextUnmarshaler)), false // dates and rates
}

func parseRevision(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return n, nil
}
