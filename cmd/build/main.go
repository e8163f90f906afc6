// Command build makes the wikiveil binary, Caddy with Wikiveil's modules, from
// xcaddy.json with the xcaddy library.
//
//	go run ./cmd/build [-config xcaddy.json] [-output wikiveil]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/caddyserver/xcaddy"
)

func main() {
	config := flag.String("config", "xcaddy.json", "the JSON form of xcaddy's Builder")
	output := flag.String("output", "wikiveil", "the binary to write")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "build: unknown argument %q\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := build(ctx, *config, *output, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n", err)
		os.Exit(1)
	}
}

// build reads the config and runs xcaddy, with its progress on w.
func build(ctx context.Context, config, output string, w io.Writer) error {
	builder, err := readConfig(config)
	if err != nil {
		return err
	}
	// xcaddy and an interrupted go command can leave their folders behind.
	temp, err := os.MkdirTemp("", "wikiveil-build-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer os.RemoveAll(temp)
	goproxy, err := proxyBefore(ctx, temp, builder)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"TMPDIR": temp, "GOPROXY": goproxy} {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}

	builder.OnStep = func(event *xcaddy.StepEvent) error { return report(w, event) }
	if err := builder.Build(ctx, output); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", ctx.Err())
		}
		return fmt.Errorf("building with xcaddy (the go command's words are above): %w", err)
	}
	fmt.Fprintf(w, "built %s\n", output)
	return nil
}

// report prints a step's name and what it says.
func report(w io.Writer, event *xcaddy.StepEvent) error {
	fmt.Fprintf(w, "==> %s\n", event.Step)
	_, err := io.Copy(w, event.Output)
	return err
}
