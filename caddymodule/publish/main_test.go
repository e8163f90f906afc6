package publish_test

import (
	"testing"

	_ "github.com/wikiveil/wikiveil/caddymodule"
	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestMain(m *testing.M) { edgetest.Main(m, &edge.RotateLead) }
