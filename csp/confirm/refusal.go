package confirm

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Refusals of hand-offs, tokens, tickets and browser cookies.
var (
	ErrMalformed = refusal.New(http.StatusBadRequest, "malformed", "refusal-malformed")
	ErrSignature = refusal.New(http.StatusForbidden, "signature", "refusal-signature")
	ErrExpired   = refusal.New(http.StatusForbidden, "expired", "refusal-expired")
	errFuture    = refusal.New(http.StatusForbidden, "from_the_future", "refusal-from-the-future")
	ErrTooFast   = refusal.New(http.StatusForbidden, "too_fast", "refusal-too-fast")
	ErrUsed      = refusal.New(http.StatusForbidden, "used", "refusal-used")
	ErrCode      = refusal.New(http.StatusForbidden, "wrong_code", "refusal-wrong-code")
	errTooLong   = refusal.New(http.StatusBadRequest, "too_long", "refusal-too-long")

	// ErrNoBrowser is returned for a missing browser cookie and for two of them:
	// with two nobody knows which is the server's.
	ErrNoBrowser    = refusal.New(http.StatusForbidden, "no_browser_cookie", "refusal-no-browser-cookie")
	ErrOtherBrowser = refusal.New(http.StatusForbidden, "other_browser", "refusal-other-browser")
	errOtherClient  = refusal.New(http.StatusForbidden, "other_client", "refusal-other-client")
	errPurpose      = refusal.New(http.StatusForbidden, "other_purpose", "refusal-other-purpose")
	errWiki         = refusal.New(http.StatusForbidden, "other_wiki", "refusal-other-wiki")
	ErrSubject      = refusal.New(http.StatusForbidden, "other_subject", "refusal-other-subject")
	ErrAction       = refusal.New(http.StatusForbidden, "other_action", "refusal-other-action")
	ErrBinding      = refusal.New(http.StatusConflict, "binding_changed", "refusal-binding-changed")

	// errPages is for a hand-off that was opened again and again.
	errPages = refusal.New(http.StatusForbidden, "too_many_pages", "refusal-too-many-pages")
	// errBusy is for a client, or a network, that used up its share.
	errBusy = refusal.New(http.StatusTooManyRequests, "too_many", "refusal-too-many-confirmations")

	// errFull, errStore and errNoClient say that one use can't be guaranteed now.
	errFull     = refusal.New(http.StatusServiceUnavailable, "nonces_full", "refusal-nonces-full")
	errStore    = refusal.New(http.StatusServiceUnavailable, "nonces_failed", "refusal-nonces-failed")
	errNoClient = refusal.New(http.StatusServiceUnavailable, "no_client", "refusal-no-client")
)

// Refusals of requests, before anything in them is read.
var (
	ErrMethod        = refusal.New(http.StatusMethodNotAllowed, "method", "refusal-method")
	ErrInsecure      = refusal.New(http.StatusForbidden, "not_https", "refusal-not-https")
	errHost          = refusal.New(http.StatusMisdirectedRequest, "other_host", "refusal-other-host")
	errFetchMissing  = refusal.New(http.StatusForbidden, "sec_fetch_missing", "refusal-sec-fetch-missing")
	errFetchRepeated = refusal.New(http.StatusForbidden, "sec_fetch_repeated", "refusal-sec-fetch-repeated")
	ErrNotNavigation = refusal.New(http.StatusForbidden, "not_a_navigation", "refusal-not-a-navigation")
	ErrSpeculative   = refusal.New(http.StatusForbidden, "speculative", "refusal-speculative")
	ErrOrigin        = refusal.New(http.StatusForbidden, "other_origin", "refusal-other-origin")
	errFetchSite     = refusal.New(http.StatusForbidden, "sec_fetch_site", "refusal-sec-fetch-site")
	errContentType   = refusal.New(http.StatusUnsupportedMediaType, "content_type", "refusal-content-type")
	errTooLarge      = refusal.New(http.StatusRequestEntityTooLarge, "too_large", "refusal-too-large")
	ErrForm          = refusal.New(http.StatusBadRequest, "form", "refusal-form")
	errRepeatedField = refusal.New(http.StatusBadRequest, "repeated_field", "refusal-repeated-field")
	errUnknownField  = refusal.New(http.StatusBadRequest, "unknown_field", "refusal-unknown-field")
)
