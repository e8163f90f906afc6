package caddymodule

import (
	"errors"
	"strconv"

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
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if _, twice := places[option]; twice && option != "mirror" {
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
		configcheck.WarnAt(&head, "INSECURE: allow_loopback lets the tool "+tool.Name+" be on this machine, which is for tests only")
	}
	return tool, nil
}

func parseToolOption(d *caddyfile.Dispenser, tool *noticeboard.Tool, option string) (err error) {
	texts := map[string]*string{
		"title": &tool.Title, "url": &tool.URL, "author": &tool.Author, "purpose": &tool.Purpose, "sends": &tool.Sends,
		"retention": &tool.Retention, "source": &tool.Source, "privacy": &tool.Privacy, "contact": &tool.Contact, "refresh_file": &tool.RefreshFile,
		"reviewer": &tool.Reviewer, "access": (*string)(&tool.Access), "personal": (*string)(&tool.Personal), "names": (*string)(&tool.Names),
	}
	flags := map[string]*bool{"executable": &tool.Executable, "disabled": &tool.Disabled, "allow_loopback": &tool.AllowLoopback, "pseudonym": &tool.Pseudonym}
	dates := map[string]*noticeboard.Date{"reviewed": &tool.Reviewed, "expires": &tool.Expires}
	lists := map[string]*[]string{"hosts": &tool.Hosts, "integrity": &tool.Integrity, "methods": &tool.Methods, "refresh": &tool.Refresh}
	if text, ok := texts[option]; ok {
		*text, err = oneArg(d)
	} else if flag, ok := flags[option]; ok {
		*flag = true
		if d.NextArg() {
			err = d.ArgErr()
		}
	} else if date, ok := dates[option]; ok {
		*date, err = oneDate(d)
	} else if list, ok := lists[option]; ok {
		*list, err = someArgs(d)
	} else {
		err = parseToolUse(d, tool, option)
	}
	return err
}

// parseToolUse parses kinds and numbers.
func parseToolUse(d *caddyfile.Dispenser, tool *noticeboard.Tool, option string) (err error) {
	switch option {
	case "kinds":
		var kinds []string
		kinds, err = someArgs(d)
		for _, kind := range kinds {
			tool.Kinds = append(tool.Kinds, noticeboard.Kind(kind))
		}
	case "revision":
		var text string
		if text, err = oneArg(d); err != nil {
			return err
		}
		if tool.Revision, err = strconv.ParseUint(text, 10, 64); err != nil {
			err = d.Errf("parsing revision: %q is not a whole number", text)
		}
	case "max_size":
		tool.MaxSize, err = oneSize(d)
	default:
		err = parseToolServing(d, tool, option)
	}
	return err
}

// parseToolServing parses how the proxy serves the tool.
func parseToolServing(d *caddyfile.Dispenser, tool *noticeboard.Tool, option string) (err error) {
	spans := map[string]*noticeboard.Duration{
		"timeout": &tool.Timeout, "refresh_every": &tool.RefreshEvery,
	}
	rates := map[string]*noticeboard.Rate{"client_limit": &tool.ClientLimit, "limit": &tool.Limit}
	if span, ok := spans[option]; ok {
		var given caddy.Duration
		given, err = oneDuration(d)
		*span = noticeboard.Duration(given)
		return err
	}
	if rate, ok := rates[option]; ok {
		*rate, err = oneRate(d)
		return err
	}
	switch option {
	case "streams":
		var streams []string
		streams, err = someArgs(d)
		for _, stream := range streams {
			tool.Streams = append(tool.Streams, noticeboard.Stream(stream))
		}
	case "max_request_size":
		tool.MaxRequestSize, err = oneSize(d)
	case "mirror":
		var file noticeboard.MirrorFile
		if !d.AllArgs(&file.Path, &file.Integrity) {
			return d.ArgErr()
		}
		tool.Mirror = append(tool.Mirror, file)
	default:
		err = d.Errf("unknown tool option %q (known: title, hosts, kinds, access, executable, integrity, methods, streams, url, author, purpose, "+
			"sends, personal, retention, source, privacy, contact, reviewer, reviewed, expires, disabled, revision, max_size, max_request_size, timeout, "+
			"client_limit, limit, pseudonym, names, refresh, refresh_file, refresh_every, mirror, allow_loopback)", option)
	}
	return err
}

// oneRate returns the argument of the option at hand, a rate.
func oneRate(d *caddyfile.Dispenser) (noticeboard.Rate, error) {
	option := d.Val()
	text, err := oneArg(d)
	if err != nil {
		return noticeboard.Rate{}, err
	}
	rate, err := noticeboard.ParseRate(text)
	if err != nil {
		return noticeboard.Rate{}, d.Errf("parsing %s: %v", option, err)
	}
	return rate, nil
}

// oneDate returns the argument of the option at hand, a day or a time.
func oneDate(d *caddyfile.Dispenser) (noticeboard.Date, error) {
	option := d.Val()
	text, err := oneArg(d)
	if err != nil {
		return noticeboard.Date{}, err
	}
	date, err := noticeboard.ParseDate(text)
	if err != nil {
		return noticeboard.Date{}, d.Errf("parsing %s: %q is %v", option, text, err)
	}
	return date, nil
}

// someArgs returns the arguments of the option at hand, at least one.
func someArgs(d *caddyfile.Dispenser) ([]string, error) {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return nil, d.ArgErr()
	}
	return args, nil
}
