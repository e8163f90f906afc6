package anonproxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// PseudonymHeader is the header in which tools that declare a pseudonym get it.
const PseudonymHeader = "Client-Pseudonym"

// pseudonymSize is how much of the HMAC is sent, in bytes.
const pseudonymSize = 16

var pseudonymForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16,64}$`)

// Pseudonym is a client's name toward one tool for one day (UTC): 22 characters of
// base64url, the first 128 bits of
//
//	HMAC-SHA-256(key, day || 0x00 || tool's name || 0x00 || tool's origin || 0x00 || client)
//
// with the day as in 2026-11-22. Two of them tell nothing of each other to who
// doesn't have the key.
func Pseudonym(key []byte, now time.Time, tool *noticeboard.Tool, client string) string {
	mac := hmac.New(sha256.New, key)
	// None of the parts before the last can hold a zero byte.
	for _, part := range []string{now.UTC().Format(time.DateOnly), tool.Name, tool.Origin} {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	mac.Write([]byte(client))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:pseudonymSize])
}

// name puts the reader's pseudonym into what is asked of a tool that declares one.
func (p *Proxy) name(req *request, up *upstream, reader Reader) *refusal.Refusal {
	if !up.tool.Pseudonym {
		return nil
	}
	if p.cfg.Pseudonym != nil {
		req.pseudonym = p.cfg.Pseudonym(up.tool, reader, time.Now())
	}
	if !pseudonymForm.MatchString(req.pseudonym) { // without it the tool is never asked
		return outcomes.BadRequest(http.StatusServiceUnavailable, "the pseudonym that the tool is declared to get can't be made")
	}
	return nil
}
