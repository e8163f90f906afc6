package mask

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap/zapcore"
)

// keepRequest keeps a request that reverse_proxy sends on, as it is now: it gives a logger each of them, which then mostly has
// nothing to say. A copy takes less time than taking it down, but both together more; so others, which are logged, aren't kept.
func keepRequest(m zapcore.ObjectMarshaler) func() zapcore.ObjectMarshaler {
	logged, ok := m.(caddyhttp.LoggableHTTPRequest)
	if !ok {
		return nil
	}
	if _, sent := reverseproxy.GetDialInfo(logged.Context()); !sent {
		return nil
	}
	type field struct{ name, value string }
	fields := make([]field, 0, len(logged.Header)+2) // few headers have two values
	for name, values := range logged.Header {
		if len(values) == 0 {
			return nil // which a list of values doesn't show
		}
		for _, value := range values {
			fields = append(fields, field{name, value})
		}
	}
	request := logged.Request.WithContext(logged.Context())
	request.Header = nil // it's the other's
	return func() zapcore.ObjectMarshaler {
		header := make(http.Header, len(fields))
		for _, f := range fields {
			header[f.name] = append(header[f.name], f.value)
		}
		request := request.WithContext(request.Context()) // a log for each output makes its own
		request.Header = header
		return caddyhttp.LoggableHTTPRequest{Request: request, ShouldLogCredentials: logged.ShouldLogCredentials}
	}
}
