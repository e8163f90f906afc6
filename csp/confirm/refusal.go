package confirm

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Refusals of hand-offs, tokens, tickets and browser cookies.
var (
	ErrMalformed = refusal.Literal(http.StatusBadRequest, "malformed", "what the browser sent is incomplete or not ours")
	ErrSignature = refusal.Literal(http.StatusForbidden, "signature", "the signature is wrong")
	ErrExpired   = refusal.Literal(http.StatusForbidden, "expired", "this took too long; please start again")
	errFuture    = refusal.Literal(http.StatusForbidden, "from_the_future", "it was made later than now, by this server's clock")
	ErrTooFast   = refusal.Literal(http.StatusForbidden, "too_fast", "the answer came faster than a person reads")
	ErrUsed      = refusal.Literal(http.StatusForbidden, "used", "this page was answered before; please start again")
	ErrCode      = refusal.Literal(http.StatusForbidden, "wrong_code", "the code is wrong; please start again")
	errTooLong   = refusal.Literal(http.StatusBadRequest, "too_long", "a name is too long")

	// ErrNoBrowser is returned for a missing browser cookie and for two of them:
	// with two nobody knows which is the server's.
	ErrNoBrowser    = refusal.Literal(http.StatusForbidden, "no_browser_cookie", "the browser sent no cookie of ours; please allow cookies and start again")
	ErrOtherBrowser = refusal.Literal(http.StatusForbidden, "other_browser", "this was started in another browser")
	errOtherClient  = refusal.Literal(http.StatusForbidden, "other_client", "this was started from another network address; please start again")
	errPurpose      = refusal.Literal(http.StatusForbidden, "other_purpose", "this was made for another purpose")
	errWiki         = refusal.Literal(http.StatusForbidden, "other_wiki", "this was made for another wiki")
	ErrSubject      = refusal.Literal(http.StatusForbidden, "other_subject", "this page was about something else")
	ErrAction       = refusal.Literal(http.StatusForbidden, "other_action", "this page was for another action")
	ErrBinding      = refusal.Literal(http.StatusConflict, "binding_changed", "what the page described has changed since; please start again")

	// errPages is for a hand-off that was opened again and again.
	errPages = refusal.Literal(http.StatusForbidden, "too_many_pages", "this question was opened too often; please start again")
	// errBusy is for a client, or a network, that used up its share.
	errBusy = refusal.Literal(http.StatusTooManyRequests, "too_many", "too many confirmations come from this network address, or from addresses near it; please try again in some minutes")

	// errFull, errStore and errNoClient say that one use can't be guaranteed now.
	errFull     = refusal.Literal(http.StatusServiceUnavailable, "nonces_full", "too many confirmations at once; please try again in some minutes")
	errStore    = refusal.Literal(http.StatusServiceUnavailable, "nonces_failed", "confirmations can't be recorded now; please try again later")
	errNoClient = refusal.Literal(http.StatusServiceUnavailable, "no_client", "the server can't tell where this comes from, so it can't be confirmed")
)

// Refusals of requests, before anything in them is read.
var (
	ErrMethod        = refusal.Literal(http.StatusMethodNotAllowed, "method", "this address takes another method")
	ErrInsecure      = refusal.Literal(http.StatusForbidden, "not_https", "this page exists over https only")
	errHost          = refusal.Literal(http.StatusMisdirectedRequest, "other_host", "this page exists on its own origin only")
	errFetchMissing  = refusal.Literal(http.StatusForbidden, "sec_fetch_missing", "the browser does not say how it came here (Sec-Fetch headers); please use a current one")
	errFetchRepeated = refusal.Literal(http.StatusForbidden, "sec_fetch_repeated", "the request contradicts itself (repeated Sec-Fetch headers)")
	ErrNotNavigation = refusal.Literal(http.StatusForbidden, "not_a_navigation", "this page opens in a tab of its own only")
	ErrSpeculative   = refusal.Literal(http.StatusForbidden, "speculative", "this page is not to be loaded ahead or through a service worker")
	ErrOrigin        = refusal.Literal(http.StatusForbidden, "other_origin", "the answer came from another site's page")
	errFetchSite     = refusal.Literal(http.StatusForbidden, "sec_fetch_site", "the browser says that the answer came from another site's page")
	errContentType   = refusal.Literal(http.StatusUnsupportedMediaType, "content_type", "the answer is not a form's")
	errTooLarge      = refusal.Literal(http.StatusRequestEntityTooLarge, "too_large", "the answer is too large")
	ErrForm          = refusal.Literal(http.StatusBadRequest, "form", "the form is malformed")
	errRepeatedField = refusal.Literal(http.StatusBadRequest, "repeated_field", "the form has a field twice")
	errUnknownField  = refusal.Literal(http.StatusBadRequest, "unknown_field", "the form has a field it should not have")
)
