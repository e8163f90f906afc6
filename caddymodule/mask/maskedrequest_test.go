package mask

import (
	"context"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
)

// A masked request's context gives what the one below it does, those variables too that are set later; of the request as it was,
// all but the address.
func TestMaskedContextValues(t *testing.T) {
	type other struct{}
	vars := map[string]any{caddyhttp.TrustedProxyVarKey: true}
	values := map[any]any{
		caddy.ReplacerCtxKey:            caddy.NewReplacer(),
		caddyhttp.ServerCtxKey:          new(caddyhttp.Server),
		caddyhttp.VarsCtxKey:            vars,
		caddyhttp.OriginalRequestCtxKey: http.Request{Method: "PURGE", RemoteAddr: "192.0.2.1:4711", RequestURI: "/wiki"},
		caddyhttp.ExtraLogFieldsCtxKey:  new(caddyhttp.ExtraLogFields),
		other{}:                         "another's",
		"vars":                          "no key of Caddy's",
	}
	below := context.Background()
	for key, value := range values {
		below = context.WithValue(below, key, value)
	}
	masked := &maskedContext{below, &reqstate.Client{Peer: "[2001:2f::1]:0"}, vars}
	for key, want := range values {
		switch key {
		case caddyhttp.VarsCtxKey:
			caddyhttp.SetVar(masked, "later", "set")
			if caddyhttp.GetVar(below, "later") != "set" || caddyhttp.GetVar(masked, caddyhttp.TrustedProxyVarKey) != true {
				t.Error("the variables are others")
			}
		case caddyhttp.OriginalRequestCtxKey:
			got, _ := masked.Value(key).(http.Request)
			if got.Method != "PURGE" || got.RequestURI != "/wiki" || got.RemoteAddr != "[2001:2f::1]:0" {
				t.Errorf("the request as it was is %q %q of %q", got.Method, got.RequestURI, got.RemoteAddr)
			}
		default:
			if got := masked.Value(key); got != want {
				t.Errorf("%v is %v, want %v", key, got, want)
			}
		}
	}
	if got := masked.Value(caddyhttp.ErrorCtxKey); got != nil {
		t.Errorf("what isn't there is %v", got)
	}
	if n := testing.AllocsPerRun(100, func() { masked.Value(caddyhttp.VarsCtxKey); masked.Value(caddyhttp.ServerCtxKey) }); n > 0 {
		t.Errorf("asking takes %v allocations", n)
	}
}
