package confirm

import "net/http"

// Refusal is why a request goes no further. Each is one of the Err variables
// below, found by [errors.Is]; [errors.As] gives what to answer and to count.
type Refusal struct {
	reason string
	status int
	text   string
}

// Error returns a plain text that may be shown to a reader.
func (e *Refusal) Error() string { return e.text }

// Reason returns a short fixed word, fit for a metric's label.
func (e *Refusal) Reason() string { return e.reason }

// Status returns the HTTP status to answer with.
func (e *Refusal) Status() int { return e.status }

// Refusals of hand-offs, tokens, tickets and browser cookies.
var (
	ErrMalformed = &Refusal{"malformed", http.StatusBadRequest, "what the browser sent is incomplete or not ours"}
	ErrSignature = &Refusal{"signature", http.StatusForbidden, "the signature is wrong"}
	ErrExpired   = &Refusal{"expired", http.StatusForbidden, "this took too long; please start again"}
	ErrFuture    = &Refusal{"from_the_future", http.StatusForbidden, "it was made later than now, by this server's clock"}
	ErrTooFast   = &Refusal{"too_fast", http.StatusForbidden, "the answer came faster than a person reads"}
	ErrUsed      = &Refusal{"used", http.StatusForbidden, "this page was answered before; please start again"}
	ErrCode      = &Refusal{"wrong_code", http.StatusForbidden, "the code is wrong; please start again"}
	ErrTooLong   = &Refusal{"too_long", http.StatusBadRequest, "a name is too long"}

	// ErrNoBrowser is returned for a missing browser cookie and for two of them:
	// with two nobody knows which is the server's.
	ErrNoBrowser    = &Refusal{"no_browser_cookie", http.StatusForbidden, "the browser sent no cookie of ours; please allow cookies and start again"}
	ErrOtherBrowser = &Refusal{"other_browser", http.StatusForbidden, "this was started in another browser"}
	ErrOtherClient  = &Refusal{"other_client", http.StatusForbidden, "this was started from another network address; please start again"}
	ErrPurpose      = &Refusal{"other_purpose", http.StatusForbidden, "this was made for another purpose"}
	ErrWiki         = &Refusal{"other_wiki", http.StatusForbidden, "this was made for another wiki"}
	ErrSubject      = &Refusal{"other_subject", http.StatusForbidden, "this page was about something else"}
	ErrAction       = &Refusal{"other_action", http.StatusForbidden, "this page was for another action"}
	ErrBinding      = &Refusal{"binding_changed", http.StatusConflict, "what the page described has changed since; please start again"}

	// ErrPages is for a hand-off that was opened again and again.
	ErrPages = &Refusal{"too_many_pages", http.StatusForbidden, "this question was opened too often; please start again"}
	// ErrBusy is for a client, or a network, that used up its share.
	ErrBusy = &Refusal{"too_many", http.StatusTooManyRequests, "too many confirmations come from this network address, or from addresses near it; please try again in some minutes"}

	// ErrFull, ErrStore and ErrNoClient say that one use can't be guaranteed now.
	ErrFull     = &Refusal{"nonces_full", http.StatusServiceUnavailable, "too many confirmations at once; please try again in some minutes"}
	ErrStore    = &Refusal{"nonces_failed", http.StatusServiceUnavailable, "confirmations can't be recorded now; please try again later"}
	ErrNoClient = &Refusal{"no_client", http.StatusServiceUnavailable, "the server can't tell where this comes from, so it can't be confirmed"}
)

// Refusals of requests, before anything in them is read.
var (
	ErrMethod        = &Refusal{"method", http.StatusMethodNotAllowed, "this address takes another method"}
	ErrInsecure      = &Refusal{"not_https", http.StatusForbidden, "this page exists over https only"}
	ErrHost          = &Refusal{"other_host", http.StatusMisdirectedRequest, "this page exists on its own origin only"}
	ErrFetchMissing  = &Refusal{"sec_fetch_missing", http.StatusForbidden, "the browser does not say how it came here (Sec-Fetch headers); please use a current one"}
	ErrFetchRepeated = &Refusal{"sec_fetch_repeated", http.StatusForbidden, "the request contradicts itself (repeated Sec-Fetch headers)"}
	ErrNotNavigation = &Refusal{"not_a_navigation", http.StatusForbidden, "this page opens in a tab of its own only"}
	ErrSpeculative   = &Refusal{"speculative", http.StatusForbidden, "this page is not to be loaded ahead or through a service worker"}
	ErrOrigin        = &Refusal{"other_origin", http.StatusForbidden, "the answer came from another site's page"}
	ErrFetchSite     = &Refusal{"sec_fetch_site", http.StatusForbidden, "the browser says that the answer came from another site's page"}
	ErrContentType   = &Refusal{"content_type", http.StatusUnsupportedMediaType, "the answer is not a form's"}
	ErrTooLarge      = &Refusal{"too_large", http.StatusRequestEntityTooLarge, "the answer is too large"}
	ErrForm          = &Refusal{"form", http.StatusBadRequest, "the form is malformed"}
	ErrRepeatedField = &Refusal{"repeated_field", http.StatusBadRequest, "the form has a field twice"}
	ErrUnknownField  = &Refusal{"unknown_field", http.StatusBadRequest, "the form has a field it should not have"}
)

var _ error = (*Refusal)(nil)
