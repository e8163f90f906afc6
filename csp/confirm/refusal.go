package confirm

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Refusals of hand-offs, tokens, tickets and browser cookies.
var (
	ErrMalformed = refusal.New(http.StatusBadRequest, "malformed", "what the browser sent is incomplete or not ours")
	ErrSignature = refusal.New(http.StatusForbidden, "signature", "the signature is wrong")
	ErrExpired   = refusal.New(http.StatusForbidden, "expired", "this took too long; please start again")
	errFuture    = refusal.New(http.StatusForbidden, "from_the_future", "it was made later than now, by this server's clock")
	ErrTooFast   = refusal.New(http.StatusForbidden, "too_fast", "the answer came faster than a person reads")
	ErrUsed      = refusal.New(http.StatusForbidden, "used", "this page was answered before; please start again")
	ErrCode      = refusal.New(http.StatusForbidden, "wrong_code", "the code is wrong; please start again")
	errTooLong   = refusal.New(http.StatusBadRequest, "too_long", "a name is too long")

	// ErrNoBrowser is returned for a missing browser cookie and for two of them:
	// with two nobody knows which is the server's.
	ErrNoBrowser    = refusal.New(http.StatusForbidden, "no_browser_cookie", "the browser sent no cookie of ours; please allow cookies and start again")
	ErrOtherBrowser = refusal.New(http.StatusForbidden, "other_browser", "this was started in another browser")
	errOtherClient  = refusal.New(http.StatusForbidden, "other_client", "this was started from another network address; please start again")
	errPurpose      = refusal.New(http.StatusForbidden, "other_purpose", "this was made for another purpose")
	errWiki         = refusal.New(http.StatusForbidden, "other_wiki", "this was made for another wiki")
	ErrSubject      = refusal.New(http.StatusForbidden, "other_subject", "this page was about something else")
	ErrAction       = refusal.New(http.StatusForbidden, "other_action", "this page was for another action")
	ErrBinding      = refusal.New(http.StatusConflict, "binding_changed", "what the page described has changed since; please start again")

	// errPages is for a hand-off that was opened again and again.
	errPages = refusal.New(http.StatusForbidden, "too_many_pages", "this question was opened too often; please start again")
	// errBusy is for a client, or a network, that used up its share.
	errBusy = refusal.New(http.StatusTooManyRequests, "too_many", "too many confirmations come from this network address, or from addresses near it; please try again in some minutes")

	// errFull, errStore and errNoClient say that one use can't be guaranteed now.
	errFull     = refusal.New(http.StatusServiceUnavailable, "nonces_full", "too many confirmations at once; please try again in some minutes")
	errStore    = refusal.New(http.StatusServiceUnavailable, "nonces_failed", "confirmations can't be recorded now; please try again later")
	errNoClient = refusal.New(http.StatusServiceUnavailable, "no_client", "the server can't tell where this comes from, so it can't be confirmed")
)

// Refusals of requests, before anything in them is read.
var (
	ErrMethod        = refusal.New(http.StatusMethodNotAllowed, "method", "this address takes another method")
	ErrInsecure      = refusal.New(http.StatusForbidden, "not_https", "this page exists over https only")
	errHost          = refusal.New(http.StatusMisdirectedRequest, "other_host", "this page exists on its own origin only")
	errFetchMissing  = refusal.New(http.StatusForbidden, "sec_fetch_missing", "the browser does not say how it came here (Sec-Fetch headers); please use a current one")
	errFetchRepeated = refusal.New(http.StatusForbidden, "sec_fetch_repeated", "the request contradicts itself (repeated Sec-Fetch headers)")
	ErrNotNavigation = refusal.New(http.StatusForbidden, "not_a_navigation", "this page opens in a tab of its own only")
	ErrSpeculative   = refusal.New(http.StatusForbidden, "speculative", "this page is not to be loaded ahead or through a service worker")
	ErrOrigin        = refusal.New(http.StatusForbidden, "other_origin", "the answer came from another site's page")
	errFetchSite     = refusal.New(http.StatusForbidden, "sec_fetch_site", "the browser says that the answer came from another site's page")
	errContentType   = refusal.New(http.StatusUnsupportedMediaType, "content_type", "the answer is not a form's")
	errTooLarge      = refusal.New(http.StatusRequestEntityTooLarge, "too_large", "the answer is too large")
	ErrForm          = refusal.New(http.StatusBadRequest, "form", "the form is malformed")
	errRepeatedField = refusal.New(http.StatusBadRequest, "repeated_field", "the form has a field twice")
	errUnknownField  = refusal.New(http.StatusBadRequest, "unknown_field", "the form has a field it should not have")
)
