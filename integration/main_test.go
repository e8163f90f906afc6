//go:build integration

package integration

import (
	"fmt"
	"os"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/wikiveil/wikiveil/caddymodule"
	"github.com/wikiveil/wikiveil/internal/testutil/caddytest"
)

// shared is what all tests use of one set-up: an installed wiki of each
// version, which tests copy, and the PHP that runs the copies.
var shared struct {
	dir       string
	templates map[string]*wiki
	php       *phpFPM
}

func TestMain(m *testing.M) {
	if config := os.Getenv(edgeProcess); config != "" {
		runEdgeProcess(config)
	}
	if os.Getenv(commandProcess) != "" {
		caddycmd.Main()
		return
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "setting up the integration tests:", err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	// The name is short, since a unix socket's path must be.
	shared.dir, err = os.MkdirTemp("", "wikiveil")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(shared.dir)

	defer caddytest.Isolate()()
	if err := installWikis(); err != nil {
		return 1, err
	}
	if shared.php, err = startPHP(shared.dir); err != nil {
		return 1, err
	}
	defer shared.php.stop()
	return m.Run(), nil
}
