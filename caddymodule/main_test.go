package caddymodule

import (
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	rotateLead = 50 * time.Millisecond // no test waits for other nodes that aren't there
	testMain(m)
}
