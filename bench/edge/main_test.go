package main

import (
	"bytes"
	"os"
	"path/filepath"
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

func TestOneRow(t *testing.T) {
	testutil.Slow(t)
	doc := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(doc, []byte("Before.\n"+begin+"old\n"+end+"After.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := run(t.Context(), []string{"-rows", "^page-200-8$", "-rounds", "2", "-time", "100ms", "-doc", doc}, &out)
	if err != nil && !strings.Contains(err.Error(), "must be") { // how fast it is here is not what is tested
		t.Fatalf("%v\n%s", err, &out)
	}
	got, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`(?s)^Before\.\n` + begin + `.*` + end + `After\.\n$`,
		`On \d{4}-\d\d-\d\d, \d+ cores \(.+\), go1\..+, Caddy v2\..+: 2 rounds of 100ms each\.`,
		`    go run \./bench/edge -rows \^page-200-8\$ -rounds 2 -time 100ms`,
		`\npage-200-8\|edge\|headers only\|rate\|\d+\.\d\d \(\d+\.\d\d–\d+\.\d\d\)\|≥ 0\.97\|`,
		`\npage-200-8\|edge\|[1-9]\d*\|[1-9]\d*\.\d\|\d+\.\d\|[1-9]\d*\n`,
		`\npage-200-8\|headers only\|[1-9]\d*\|[1-9]\d*\.\d\|`,
	} {
		if !regexp.MustCompile(line).Match(got) {
			t.Errorf("nothing like %q in:\n%s", line, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"rounds": {[]string{"-rounds", "0"}, "a number is not positive"},
		"word":   {[]string{"page"}, "a word too many"},
		"regexp": {[]string{"-rows", "("}, "missing closing"},
		"row":    {[]string{"-rows", "nothing"}, "no row's name matches"},
	} {
		if err := run(t.Context(), tt.args, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestList(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-list", "-rows", "10k"}, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "page-10k-64 ") || strings.Contains(got, "page-200") {
		t.Error(got)
	}
}

func TestDocumentWithoutAPlace(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(doc, []byte("Words.\n"+begin), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (report{}).write(t.Context(), options{doc: doc}); err == nil || !strings.Contains(err.Error(), "no place for the tables") {
		t.Error(err)
	}
	if got, err := os.ReadFile(doc); err != nil || string(got) != "Words.\n"+begin {
		t.Errorf("%q, %v", got, err)
	}
}
