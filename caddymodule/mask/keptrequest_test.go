package mask

import (
	"context"
	"crypto/tls"
	"net/http"
	"reflect"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// A kept request is written as it was when the logger was given it, whatever becomes of it.
func TestKeptRequests(t *testing.T) {
	ctx := sentOn(context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "192.0.2.2"}))
	for name, request := range map[string]*http.Request{
		"whole":   {Header: http.Header{"Accept": {"text/html", "*/*"}, "Cookie": {"a=b"}, "X-Note": {""}}, TransferEncoding: []string{"chunked"}},
		"empty":   {Header: http.Header{}, TLS: &tls.ConnectionState{ServerName: "wiki.example"}},
		"nothing": {},
	} {
		for _, credentials := range []bool{false, true} {
			request.Method, request.Host, request.RequestURI, request.RemoteAddr, request.Proto = "POST", "wiki.example", "/w/", "192.0.2.1:99", "HTTP/1.1"
			r := request.WithContext(ctx)
			r.Header = r.Header.Clone()
			object := caddyhttp.LoggableHTTPRequest{Request: r, ShouldLogCredentials: credentials}
			want := written(object)
			kept := keepRequest(object)
			for name, values := range r.Header {
				values[0] = "after"
				r.Header.Add(name, "after")
			}
			r.Host, r.RequestURI, r.RemoteAddr, r.Proto, r.Method = "after", "after", "after", "after", "after"
			for range 2 { // two logs
				if got := written(kept()); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %v, want %v", name, got, want)
				}
			}
		}
	}
	for _, m := range []zapcore.ObjectMarshaler{
		caddyhttp.LoggableHTTPHeader{}, caddyhttp.LoggableHTTPRequest{Request: new(http.Request)},
		caddyhttp.LoggableHTTPRequest{Request: (&http.Request{Header: http.Header{"X-Without-Value": nil}}).WithContext(ctx)},
	} {
		if keepRequest(m) != nil {
			t.Errorf("%v is kept", m)
		}
	}
}

// sentOn is the context of a request that reverse_proxy sends on.
func sentOn(ctx context.Context) context.Context {
	return context.WithValue(ctx, caddy.CtxKey("reverse_proxy.dial_info"), reverseproxy.DialInfo{})
}

func written(m zapcore.ObjectMarshaler) map[string]any {
	to := zapcore.NewMapObjectEncoder()
	zap.Object("request", m).AddTo(to)
	return to.Fields
}
