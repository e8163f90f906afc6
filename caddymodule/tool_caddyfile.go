package caddymodule

import (
	"encoding"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/internal/configcheck"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// parseTool parses a tool's declaration, of which "tool" is the current token. Syntax:
//
//	tool <name> <origin> {
//	    title     <text>
//	    hosts     <host>...
//	    kinds     img|font|style|media|data|script...
//	    access    proxy|consent|both
//	    executable
//	    integrity <hash>...
//	    methods   GET|HEAD|POST...
//	    streams   events|websocket...
//	    url       <url>
//	    author    <text>
//	    purpose   <text>
//	    sends     <text>
//	    personal  none|some
//	    retention <text>
//	    source    <url>
//	    privacy   <url>
//	    contact   <text>
//	    reviewer  <text>
//	    reviewed  <date>
//	    expires   <date or time>
//	    disabled
//	    revision  <number>
//	    max_size  <size>
//	    max_request_size <size>
//	    timeout   <duration>
//	    client_limit <number>/<duration>
//	    limit     <number>/<duration>
//	    pseudonym
//	    names reader
//	    refresh   <path>...
//	    refresh_file <path of a file>
//	    refresh_every <duration>
//	    mirror    <path or URL> <hash>
//	    allow_loopback
//	}
func parseTool(d *caddyfile.Dispenser) (*noticeboard.Tool, error) {
	tool := new(noticeboard.Tool)
	head := *d // where each field stands, for errors that show once all is read
	if !d.AllArgs(&tool.Name, &tool.Origin) {
		return nil, d.ArgErr()
	}
	places := make(map[string]*caddyfile.Dispenser)
	options := tool.Options()
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if _, twice := places[option]; twice && option != "mirror" {
			return nil, d.Errf("%s is given twice", option)
		}
		place := *d
		places[option] = &place
		i := slices.IndexFunc(options, func(o noticeboard.Option) bool { return o.Name == option })
		if i < 0 {
			return nil, unknownToolOption(d, options)
		}
		if err := parseToolOption(d, options[i].Value); err != nil {
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
		configcheck.WarnAt(&head, "INSECURE: allow_loopback lets the tool "+tool.Name+" be on this machine, which is for tests only")
	}
	return tool, nil
}

func unknownToolOption(d *caddyfile.Dispenser, options []noticeboard.Option) error {
	var known []string
	for _, o := range options {
		known = append(known, o.Name)
	}
	return d.Errf("unknown tool option %q (known: %s)", d.Val(), strings.Join(known, ", "))
}

// parseToolOption parses the arguments of the option at hand into its place.
func parseToolOption(d *caddyfile.Dispenser, place any) (err error) {
	switch v := place.(type) {
	case *string:
		*v, err = oneArg(d)
	case *bool:
		if *v = true; d.NextArg() {
			err = d.ArgErr()
		}
	case *[]string:
		*v, err = someArgs(d)
	case *[]noticeboard.Kind:
		err = someWords(d, v)
	case *[]noticeboard.Stream:
		err = someWords(d, v)
	case *int64:
		*v, err = oneSize(d)
	case *noticeboard.Duration:
		var given caddy.Duration
		given, err = oneDuration(d)
		*v = noticeboard.Duration(given)
	case *[]noticeboard.MirrorFile:
		var file noticeboard.MirrorFile
		if !d.AllArgs(&file.Path, &file.Integrity) {
			return d.ArgErr()
		}
		*v = append(*v, file)
	case *uint64:
		err = parseArg(d, func(text []byte) (err error) {
			if *v, err = strconv.ParseUint(string(text), 10, 64); err != nil {
				err = fmt.Errorf("%q is not a whole number", text)
			}
			return err
		})
	case encoding.TextUnmarshaler: // dates and rates
		err = parseArg(d, v.UnmarshalText)
	}
	return err
}

// parseArg parses the one argument of the option at hand.
func parseArg(d *caddyfile.Dispenser, parse func(text []byte) error) error {
	option := d.Val()
	text, err := oneArg(d)
	if err != nil {
		return err
	}
	if err := parse([]byte(text)); err != nil {
		return d.Errf("parsing %s: %v", option, err)
	}
	return nil
}

// someArgs returns the arguments of the option at hand, at least one.
func someArgs(d *caddyfile.Dispenser) ([]string, error) {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return nil, d.ArgErr()
	}
	return args, nil
}

// someWords are someArgs of a type of their own.
func someWords[T ~string](d *caddyfile.Dispenser, to *[]T) error {
	args, err := someArgs(d)
	for _, arg := range args {
		*to = append(*to, T(arg))
	}
	return err
}
