package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/wikiveil/wikiveil/bench/internal/peers"
)

// servers are what this command can be instead, by its first argument.
var servers = map[string]func(ctx context.Context, args []string, out io.Writer) error{
	"wiki": func(ctx context.Context, args []string, out io.Writer) error {
		bytes, err := bytesOf(args)
		if err != nil {
			return err
		}
		listener, err := peers.Listen(out)
		if err != nil {
			return err
		}
		return peers.Wiki(ctx, listener, bytes)
	},
	"tool": func(ctx context.Context, args []string, out io.Writer) error {
		bytes, err := bytesOf(args)
		if err != nil {
			return err
		}
		tool, err := peers.NewTool(bytes)
		if err != nil {
			return err
		}
		return peers.Serve(ctx, tool, out)
	},
	"stand-in": func(ctx context.Context, _ []string, out io.Writer) error {
		return peers.Serve(ctx, peers.NewStandIn(), out)
	},
}

// bytesOf reads the only argument of such a server: how large an answer is.
func bytesOf(args []string) (int, error) {
	if len(args) != 1 {
		return 0, fmt.Errorf("%q is not one size", args)
	}
	return strconv.Atoi(args[0])
}
