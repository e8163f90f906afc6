package edgetest

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/caddytest"
)

// Stdout returns what f prints to the process's standard output.
func Stdout(t testing.TB, f func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	was := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = was }()
	f()
	data, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Run runs a command as `wikiveil` does.
func Run(t testing.TB, stdin string, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "wikiveil", SilenceErrors: true, SilenceUsage: true}
	name := args[0]
	command := caddycmd.Commands()[name]
	sub := &cobra.Command{Use: name}
	command.CobraFunc(sub)
	root.AddCommand(sub)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetIn(strings.NewReader(stdin))
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

// wikiveilCommand has this test binary be `wikiveil`, with the arguments that follow.
const wikiveilCommand = "WIKIVEIL_TEST_COMMAND"

// Main runs the tests of a package, away from the files of the user who runs them, or a command for one of its tests. Rotations
// by command are planned 50 ms ahead in this process, through lead, as no test here waits for other nodes that aren't there; commands and edges
// in processes of their own are as they are.
func Main(m *testing.M, lead *time.Duration) {
	if os.Getenv(wikiveilCommand) != "" {
		caddycmd.Main()
		return
	}
	*lead = 50 * time.Millisecond
	remove := caddytest.Isolate()
	code := m.Run()
	remove()
	os.Exit(code)
}

// Command is one of the edge's, in a process of its own.
func Command(t testing.TB, e *Edge, args ...string) *exec.Cmd {
	testutil.Slow(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), wikiveilCommand+"=1", "XDG_CONFIG_HOME="+e.Dir+"/xdg", "XDG_DATA_HOME="+e.Dir+"/xdg")
	return cmd
}
