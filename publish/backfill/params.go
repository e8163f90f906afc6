package backfill

import (
	"strconv"
	"strings"
)

// params masks the parameters of a log's entry: what PHP's serialize wrote, or in old entries a value on each line.
func (n names) params(text string) (string, bool) {
	if len(text) > 1 && text[1] == ':' && strings.ContainsRune("asOCidb", rune(text[0])) {
		return n.serialized(text)
	}
	lines := strings.Split(text, "\n")
	changed := false
	for i, line := range lines {
		if mask, ok := n.value(line); ok {
			lines[i], changed = mask, true
		}
	}
	return strings.Join(lines, "\n"), changed
}

// serialized masks the strings of a serialized value, and their lengths with them. What isn't whole stays as it is.
func (n names) serialized(text string) (string, bool) {
	var out strings.Builder
	changed := false
	for rest := text; rest != ""; {
		// Between strings there are only numbers and punctuation; C (an object that serialized itself) isn't read.
		i := strings.IndexAny(rest, "sCO")
		if i < 0 {
			out.WriteString(rest)
			break
		}
		length, after, ok := strings.Cut(strings.TrimPrefix(rest[i+1:], ":"), ":\"")
		size, err := strconv.Atoi(length)
		if !ok || err != nil || size < 0 || size >= len(after) || after[size] != '"' || rest[i] == 'C' {
			return "", false
		}
		value := after[:size]
		if mask, ok := n.value(value); ok && rest[i] == 's' {
			value, changed = mask, true
		}
		out.WriteString(rest[:i+1] + ":" + strconv.Itoa(len(value)) + ":\"" + value + "\"")
		rest = after[size+1:]
	}
	return out.String(), changed
}
