package forecast

import (
	"errors"
	"fmt"
	"strings"

	"github.com/wikiveil/wikiveil/csp"
)

// maxPolicyText is far above what a header can have.
const maxPolicyText = 64 << 10

// ParsePolicy reads a policy as people write it into a file: the header's value, on as
// many lines as they like, with the header's name before it or without, and lines that
// begin with "#" left out. What a browser would ignore is an error.
func ParsePolicy(text string) (csp.Policy, error) {
	if len(text) > maxPolicyText {
		return csp.Policy{}, fmt.Errorf("reading the policy: it has more than %d bytes", maxPolicyText)
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	value := strings.TrimSpace(strings.Join(lines, " "))
	if name, rest, found := strings.Cut(value, ":"); found && strings.HasPrefix(strings.ToLower(name), "content-security-policy") {
		value = rest
	}
	if value == "" {
		return csp.Policy{}, errors.New("reading the policy: it is empty")
	}
	policy, err := csp.Parse(value)
	if err == nil {
		err = policy.Validate()
	}
	if err != nil {
		return csp.Policy{}, fmt.Errorf("reading the policy: %w", err)
	}
	return policy, nil
}
