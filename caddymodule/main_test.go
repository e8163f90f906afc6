package caddymodule

import (
	"os"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/testutil/caddytest"
)

func TestMain(m *testing.M) {
	runCommandProcess()
	remove := caddytest.Isolate()
	rotateLead = 50 * time.Millisecond // no test waits for other nodes that aren't there
	code := m.Run()
	remove()
	os.Exit(code)
}
