package noncetest

import (
	"testing"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

func TestMemoryNonces(t *testing.T) {
	Run(t, func(*testing.T) confirm.Nonces { return confirm.NewMemoryNonces(1000) })
}
