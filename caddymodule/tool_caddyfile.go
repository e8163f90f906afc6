package caddymodule

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// parseTool parses a tool's declaration, of which "tool" is the current token. Syntax:
//
//	tool <name> <origin> {
//	    title     <text>
//	    hosts     <host>...
//	    kinds     img|font|style|media|data...
//	    methods   GET|HEAD...
//	    purpose   <text>
//	    sends     <text>
//	    retention <text>
//	    source    <url>
//	    privacy   <url>
//	    contact   <text>
//	    max_size  <size>
//	    timeout   <duration>
//	    allow_loopback
//	}
func parseTool(d *caddyfile.Dispenser) (*noticeboard.Tool, error) {
	tool := new(noticeboard.Tool)
	head := *d // where each field stands, for errors that show once all is read
	if !d.AllArgs(&tool.Name, &tool.Origin) {
		return nil, d.ArgErr()
	}
	places := make(map[string]*caddyfile.Dispenser)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if _, twice := places[option]; twice {
			return nil, d.Errf("%s is given twice", option)
		}
		place := *d
		places[option] = &place
		if err := parseToolOption(d, tool, option); err != nil {
			return nil, err
		}
	}
	if err := tool.Validate(); err != nil {
		var wrong *noticeboard.Error
		if errors.As(err, &wrong) && places[wrong.Field] != nil {
			return nil, places[wrong.Field].WrapErr(err)
		}
		return nil, head.WrapErr(err)
	}
	if tool.AllowLoopback {
		caddy.Log().Named("caddyfile").Warn("INSECURE: allow_loopback lets a tool be on this machine, which is for tests only",
			zap.String("tool", tool.Name), zap.String("file", d.File()), zap.Int("line", head.Line()))
	}
	return tool, nil
}

func parseToolOption(d *caddyfile.Dispenser, tool *noticeboard.Tool, option string) (err error) {
	texts := map[string]*string{
		"title": &tool.Title, "purpose": &tool.Purpose, "sends": &tool.Sends, "retention": &tool.Retention,
		"source": &tool.Source, "privacy": &tool.Privacy, "contact": &tool.Contact,
	}
	if text, ok := texts[option]; ok {
		*text, err = oneArg(d)
		return err
	}
	switch option {
	case "hosts":
		tool.Hosts, err = someArgs(d)
	case "kinds":
		var kinds []string
		kinds, err = someArgs(d)
		for _, kind := range kinds {
			tool.Kinds = append(tool.Kinds, noticeboard.Kind(kind))
		}
	case "methods":
		tool.Methods, err = someArgs(d)
	case "max_size":
		tool.MaxSize, err = oneSize(d)
	case "timeout":
		var span caddy.Duration
		span, err = oneDuration(d)
		tool.Timeout = noticeboard.Duration(span)
	case "allow_loopback":
		tool.AllowLoopback = true
		if d.NextArg() {
			err = d.ArgErr()
		}
	default:
		err = d.Errf("unknown tool option %q (known: title, hosts, kinds, methods, purpose, sends, retention, source, "+
			"privacy, contact, max_size, timeout, allow_loopback)", option)
	}
	return err
}

// someArgs returns the arguments of the option at hand, at least one.
func someArgs(d *caddyfile.Dispenser) ([]string, error) {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return nil, d.ArgErr()
	}
	return args, nil
}
