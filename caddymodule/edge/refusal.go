package edge

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

var RefusedStarting = refusal.New(http.StatusServiceUnavailable, "starting",
	"The server is just starting. Try again in a moment.")
