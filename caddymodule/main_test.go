package caddymodule

import (
	"os"
	"testing"

	"github.com/wikiveil/wikiveil/internal/caddytest"
)

func TestMain(m *testing.M) {
	remove := caddytest.Isolate()
	code := m.Run()
	remove()
	os.Exit(code)
}
