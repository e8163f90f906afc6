package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/bench/internal/process"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

func TestMain(m *testing.M) {
	if os.Getenv(process.ServerEnv) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestCompare(t *testing.T) {
	testutil.Slow(t)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-rounds", "2", "-time", "50ms", "-connections", "2,3", "-size", "2000"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`2 connections, images of 2000 bytes, 2 rounds of 50ms each:`, `3 connections`, `  stand-in +[1-9]\d* requests/s, +[1-9]\d* MiB at most\n`,
		`  ours without cache +[1-9]\d* requests/s, +[1-9]\d* MiB at most, \d+\.\d\d times stand-in`, `  ours from cache +[1-9]`,
	} {
		if !regexp.MustCompile(line).MatchString(out.String()) {
			t.Errorf("nothing like %q in:\n%s", line, &out)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"connections": {[]string{"-connections", "8,x"}, `"x" is not a number of connections`},
		"rounds":      {[]string{"-rounds", "0"}, "a number is not positive"},
		"word":        {[]string{"tool-bench"}, "a word too many"},
		"binary":      {[]string{"-go-camo", "/nowhere/go-camo"}, "no such file"},
	} {
		if err := run(t.Context(), tt.args, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
