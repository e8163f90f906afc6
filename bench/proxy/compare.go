package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/wikiveil/wikiveil/bench/internal/process"
	"github.com/wikiveil/wikiveil/bench/internal/rounds"
)

// compare starts all servers anew for each number of connections and drives them by turns.
func compare(ctx context.Context, o options, out io.Writer) (err error) {
	tool, err := process.StartSelf(ctx, "tool", "-size", fmt.Sprint(o.size))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tool.Stop()) }()
	for _, connections := range o.connections {
		if err := compareAt(ctx, o, tool, connections, out); err != nil {
			return err
		}
	}
	return nil
}

func compareAt(ctx context.Context, o options, tool *process.Process, connections int, out io.Writer) (err error) {
	contenders, err := startAll(ctx, o, tool)
	defer func() {
		for _, c := range contenders {
			err = errors.Join(err, c.Stop())
		}
	}()
	if err != nil {
		return err
	}
	for _, c := range contenders {
		c.Load.Connections, c.Load.Length = connections, o.length
	}
	measured, err := rounds.Run(ctx, contenders, o.rounds)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d connections, images of %d bytes, %d rounds of %v each:\n", connections, o.size, o.rounds, o.length)
	for i, c := range contenders {
		used, err := c.Usage()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %-28s %7.0f requests/s, %3d MiB at most", c.Name, rounds.Of(measured[i].Rate).Median, used.Peak>>20)
		if i > 0 {
			ratios := rounds.Ratios(measured[i].Rate, measured[0].Rate)
			fmt.Fprintf(out, ", %.2f times %s (%.2f to %.2f)", rounds.Of(ratios).Median, contenders[0].Name, slices.Min(ratios), slices.Max(ratios))
		}
		fmt.Fprintln(out)
	}
	return nil
}

// startAll starts the peer, and ours without and with the cache.
func startAll(ctx context.Context, o options, tool *process.Process) ([]*rounds.Contender, error) {
	var started []*rounds.Contender
	for _, starter := range []func() (*rounds.Contender, error){
		func() (*rounds.Contender, error) { return startPeer(ctx, o, tool) },
		func() (*rounds.Contender, error) { return startOurs(ctx, o, tool, false) },
		func() (*rounds.Contender, error) { return startOurs(ctx, o, tool, true) },
	} {
		c, err := starter()
		if err != nil {
			return started, err
		}
		started = append(started, c)
	}
	return started, nil
}
