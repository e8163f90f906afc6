package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// compare starts all servers anew for each number of connections and drives them by turns.
func compare(ctx context.Context, o options, out io.Writer) (err error) {
	tool, err := start(ctx, "tool", "-size", fmt.Sprint(o.size))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tool.stop()) }()
	for _, connections := range o.connections {
		if err := compareAt(ctx, o, tool, connections, out); err != nil {
			return err
		}
	}
	return nil
}

func compareAt(ctx context.Context, o options, tool *process, connections int, out io.Writer) (err error) {
	contenders, err := startAll(ctx, o, tool)
	defer func() {
		for _, c := range contenders {
			err = errors.Join(err, c.stop())
		}
	}()
	if err != nil {
		return err
	}
	peer, rates := contenders[0], make([][]float64, len(contenders))
	for round := range o.rounds {
		for turn := range contenders {
			i := (turn + round) % len(contenders) // none always comes after the same
			rate, err := drive(ctx, contenders[i], connections, o.length)
			if err != nil {
				return fmt.Errorf("%s: %w", contenders[i].name, err)
			}
			rates[i] = append(rates[i], rate)
		}
	}
	fmt.Fprintf(out, "%d connections, images of %d bytes, %d rounds of %v each:\n", connections, o.size, o.rounds, o.length)
	for i, c := range contenders {
		memory, err := c.memory()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %-28s %7.0f requests/s, %3d MiB at most", c.name, median(rates[i]), memory>>20)
		if i > 0 {
			ratios := make([]float64, o.rounds)
			for round := range ratios {
				ratios[round] = rates[i][round] / rates[0][round]
			}
			fmt.Fprintf(out, ", %.2f times %s (%.2f to %.2f)", median(ratios), peer.name, slices.Min(ratios), slices.Max(ratios))
		}
		fmt.Fprintln(out)
	}
	return nil
}

// startAll starts the peer, and ours without and with the cache.
func startAll(ctx context.Context, o options, tool *process) ([]*process, error) {
	var started []*process
	for _, starter := range []func() (*process, error){
		func() (*process, error) { return startPeer(ctx, o, tool) },
		func() (*process, error) { return startOurs(ctx, o, tool, false) },
		func() (*process, error) { return startOurs(ctx, o, tool, true) },
	} {
		p, err := starter()
		if err != nil {
			return started, err
		}
		started = append(started, p)
	}
	return started, nil
}

// median returns the middle of values, or the mean of the two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
