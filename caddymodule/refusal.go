package caddymodule

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

var refusedStarting = refusal.New(http.StatusServiceUnavailable, "starting",
	"The server is just starting. Try again in a moment.")
