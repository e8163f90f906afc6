package admin

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

// maxBody is far above any one block.
const maxBody = 16 << 10

// Read reads a JSON body of the fields. Its error quotes nothing: it could be an address.
func Read(w http.ResponseWriter, r *http.Request, into any, fields string) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil || decoder.More() {
		return BadRequest(fmt.Errorf("the body is not one JSON object with the fields %s", fields))
	}
	return nil
}

func BadRequest(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
}

func WriteJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}
