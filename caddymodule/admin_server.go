package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

// maxAdminBody is far above any one block.
const maxAdminBody = 16 << 10

// readStrictly reads a JSON body of the fields. Its error quotes nothing: it could be an address.
func readStrictly(w http.ResponseWriter, r *http.Request, into any, fields string) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || decoder.More() {
		return badRequest(fmt.Errorf("the body is not one JSON object with the fields %s", fields))
	}
	return nil
}

func badRequest(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
}

func writeJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}
