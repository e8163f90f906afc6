package audit

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// ErrAddress is why a text is not kept.
var ErrAddress = errors.New("has an IP address in it: write the mask in its place")

// CheckReason refuses a reason with an address in it: it would outlive the mask's epoch in the log, and be
// shown to whoever is blocked.
func CheckReason(reason string) error { return CheckNoAddress("the reason", reason) }

// CheckNoAddress refuses a text that is kept, if an address is in it. What says what the text is.
func CheckNoAddress(what, text string) error {
	found := false
	spelling.ReplaceIn(text, func(addr netip.Addr) (string, bool) {
		found = found || !masking.Is(addr) && !addr.IsUnspecified()
		return "", false
	})
	if found {
		return fmt.Errorf("%s %w", what, ErrAddress)
	}
	return nil
}
