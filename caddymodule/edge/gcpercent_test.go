package edge_test

import (
	"runtime/metrics"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func gcPercent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestGCPercent(t *testing.T) {
	before := gcPercent()
	want := func(when string, percent uint64) {
		t.Helper()
		if got := gcPercent(); got != percent {
			t.Errorf("%s: %d, want %d", when, got, percent)
		}
	}
	config := "{\n{GLOBAL}\nwikiveil {\nrotate 90d\n}\n}"

	t.Setenv("GOGC", "")
	if err := edgetest.Validate(t, config); err != nil {
		t.Fatal(err)
	}
	want("validated only", before)

	e := edgetest.New(t, config)
	want("running", 400)
	e.Load(t, config+"\n# again")
	want("after a reload", 400)
	broken := e.Expand(config + "\nhttp://:1 {\nbind 192.0.2.1\nrespond ok\n}") // where no listener can be had
	if edgetest.LoadErr(t, broken) == nil {
		t.Fatal("loaded")
	}
	want("after a reload that failed", 400)
	e.Load(t, "{\n{GLOBAL}\n}")
	want("in a config without the app", before)
	if edgetest.LoadErr(t, broken) == nil {
		t.Fatal("loaded")
	}
	want("after a first start that failed", before)

	t.Setenv("GOGC", "150")
	e.Load(t, config)
	want("with the environment's own", before)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	want("stopped", before)
}
