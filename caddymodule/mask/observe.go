package mask

import (
	"maps"
	"net/http"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
)

// observe adds the headers for apps that speak masks and leaves the rest of the request as it is. It drops forged ones even where
// there is no mask (request is nil): a trial must refuse nobody but whom the operator blocks.
func (h *ClientMask) observe(r *http.Request, request *maskedRequest, state *reqstate.State, first bool) {
	for _, headers := range []http.Header{r.Header, r.Trailer} {
		maps.DeleteFunc(headers, func(name string, _ []string) bool { return isOurs(name) })
	}
	keepOurs(r.Header["Connection"], isOurs)
	if request == nil {
		return
	}
	request.describe(r.Header, h.Networks)
	h.app.Metrics().Observed.Inc()
	if !first {
		return
	}
	state.Client, state.Observed = request.client, true
	if h.app.Recorder() != nil {
		h.app.Recorder().Record(request.client.Sighting())
	}
}
