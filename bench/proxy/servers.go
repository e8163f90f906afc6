package main

import (
	"context"
	"flag"
	"io"
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/leakguard"
	"github.com/wikiveil/wikiveil/bench/internal/peers"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// servers are what this command can be instead, by its first argument.
var servers = map[string]func(args []string) (http.Handler, error){
	"tool": newTool, "ours": newOurs, "stand-in": newStandIn,
}

// serve runs one of them until ctx ends.
func serve(ctx context.Context, made func([]string) (http.Handler, error), args []string, out io.Writer) error {
	handler, err := made(args)
	if err != nil {
		return err
	}
	return peers.Serve(ctx, handler, out)
}

func newTool(args []string) (http.Handler, error) {
	flags := flag.NewFlagSet("tool", flag.ContinueOnError)
	size := flags.Int("size", 10<<10, "bytes of the image")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	return peers.NewTool(*size)
}

func newStandIn([]string) (http.Handler, error) { return peers.NewStandIn(), nil }

// reader tells the leak guard what the edge would of this one.
func reader(r *http.Request) anonproxy.Reader {
	known := anonproxy.Reader{Client: "2001:2f:1:2:3:4:5:6"}
	known.Secrets = []leakguard.Secret{
		{Field: leakguard.FieldAddress, Value: "198.51.100.7"}, {Field: leakguard.FieldMask, Value: "2001:2f:1:2:3:4:5:6"},
	}
	for _, cookie := range r.Cookies() {
		known.Secrets = append(known.Secrets, leakguard.Secret{Field: leakguard.FieldSession, Value: cookie.Value})
	}
	return known
}

var unlimited = noticeboard.Rate{Count: 1_000_000, Per: time.Second}

// newOurs is the anonymizing proxy as the edge runs it, in a server of its own.
func newOurs(args []string) (http.Handler, error) {
	flags := flag.NewFlagSet("ours", flag.ContinueOnError)
	origin := flags.String("origin", "", "the tool's origin")
	cached := flags.Bool("cache", false, "keep answers")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	board, err := noticeboard.New([]*noticeboard.Tool{{
		Name: "images", Origin: *origin, Kinds: []noticeboard.Kind{noticeboard.Img}, AllowLoopback: true,
		Limit: unlimited, ClientLimit: unlimited, // one client here is as many as a wiki has
	}})
	if err != nil {
		return nil, err
	}
	config := anonproxy.Config{Reader: reader}
	if *cached {
		if config.Cache, err = cache.New(cache.Config{}); err != nil {
			return nil, err
		}
	}
	return anonproxy.New(board, config)
}
