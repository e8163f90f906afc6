package mask_test

import (
	"testing"
	"time"

	_ "github.com/wikiveil/wikiveil/caddymodule"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestMain(m *testing.M) {
	edge.RotateLead = 50 * time.Millisecond // no test waits for other nodes that aren't there
	edgetest.Main(m)
}
