package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// bench is what all rows share.
type bench struct {
	options
	out   io.Writer
	dir   string // removed in the end
	edge  string // binary
	caddy string // binary

	authority string // in PEM, of the certificate in dir
}

// build makes the binaries that are measured, and the certificate.
func (b *bench) build(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "wikiveil-bench"); err != nil {
		return err
	}
	if b.authority, err = newCertificate(b.dir); err != nil {
		return err
	}
	for _, program := range []struct {
		to       *string
		name, of string
	}{
		{&b.edge, "wikiveil", "github.com/wikiveil/wikiveil/cmd/wikiveil"},
		{&b.caddy, "caddy", "github.com/wikiveil/wikiveil/bench/edge/caddy"},
	} {
		fmt.Fprintf(b.out, "building %s\n", program.name)
		*program.to = filepath.Join(b.dir, program.name)
		cmd := exec.CommandContext(ctx, "go", "build", "-o", *program.to, program.of)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("building %s: %w", program.name, err)
		}
	}
	return nil
}

func (b *bench) close() error {
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}
