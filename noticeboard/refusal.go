package noticeboard

// Reason is why a tool can't be used.
type Reason string

// The reasons.
const (
	ReasonUnknown  Reason = "unknown"  // no such tool
	ReasonPending  Reason = "pending"  // listed only, or its revision isn't counted yet
	ReasonDisabled Reason = "disabled" // by its declaration or by command
	ReasonExpired  Reason = "expired"
	ReasonAccess   Reason = "access" // not declared for this way to it
)

// A Refusal is the error of a look-up: why a tool can't be used now. Its text is
// plain, for readers, and holds nothing that they sent.
type Refusal struct {
	Reason Reason
	Text   string
}

func (r *Refusal) Error() string { return r.Text }

var (
	errUnknown   = &Refusal{ReasonUnknown, "no tool of that name is declared"}
	errListed    = &Refusal{ReasonPending, "the tool is listed, but how it may be used isn't declared yet"}
	errUncounted = &Refusal{ReasonPending, "the tool's declaration is new and not recorded yet: try again in a moment"}
	errDeclared  = &Refusal{ReasonDisabled, "the tool is disabled"}
	errNoProxy   = &Refusal{ReasonAccess, "the tool isn't declared for the proxy"}
	errNoConsent = &Refusal{ReasonAccess, "the tool isn't declared for direct access"}
)

func stopped(text string, k Kill) *Refusal {
	if k.Why != "" {
		text += ": " + k.Why
	}
	return &Refusal{ReasonDisabled, text}
}

// Interface guard
var _ error = (*Refusal)(nil)
