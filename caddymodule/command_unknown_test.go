package caddymodule

import (
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// A slip of the pen must not look like a tool that was stopped.
func TestUnknownCommandsFail(t *testing.T) {
	for _, args := range []string{"tools disabel maps", "tools verfiy x", "keys rotat", "keys recipient nwe", "block remvoe x", "audit verfiy", "csp rolout"} {
		if _, err := edgetest.Run(t, "", strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), "unknown command") {
			t.Errorf("%s: %v", args, err)
		}
	}
	if _, err := edgetest.Run(t, "", "tools"); err != nil {
		t.Errorf("help: %v", err)
	}
}
