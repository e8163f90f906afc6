package configcheck

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// capture is a matcher before client_mask that keeps parts of an address in placeholders.
type capture struct {
	matcher handler // its name and place
	kept    string  // what it looks at
	start   string  // how its placeholders begin
}

// lookForCaptures finds regular expressions on addresses in a route before client_mask.
func (w *walker) lookForCaptures(r route) {
	if w.cover.ErrorsOnly {
		return
	}
	for _, set := range r.matchers {
		w.captures = append(w.captures, capturesIn(set, r.place)...)
	}
}

func capturesIn(set map[string]json.RawMessage, place string) (found []capture) {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		config := set[name]
		switch name {
		case "not":
			var sets []map[string]json.RawMessage
			_ = json.Unmarshal(config, &sets)
			for _, inner := range sets {
				found = append(found, capturesIn(inner, place)...)
			}
		case "vars_regexp", "header_regexp":
			var fields map[string]struct {
				Name string `json:"name"`
			}
			_ = json.Unmarshal(config, &fields) // Caddy itself says what is wrong
			for _, field := range slices.Sorted(maps.Keys(fields)) {
				if matcherFault(name, []string{field}) != "" {
					found = append(found, capture{handler{place: place, name: name}, field, "{http.regexp." + fields[field].Name + "."})
				}
			}
		case "expression":
			text := strings.ToLower(strings.Join(wordsOf(name, config), " "))
			if strings.Contains(text, "_regexp") && (strings.Contains(text, "client_ip") || addressPlaceholder(text) != "" || namesForwarding(text)) {
				found = append(found, capture{handler{place: place, name: name}, text, "{http.regexp."})
			}
		}
	}
	return found
}

func namesForwarding(text string) bool {
	for _, header := range forwarding {
		if strings.Contains(fold(text), header) {
			return true
		}
	}
	return false
}

// lookForCaptured finds handlers that hand on what such an expression has kept.
func (w *walker) lookForCaptured(h handler) {
	if len(w.captures) == 0 || h.name == "subroute" {
		return
	}
	text := h.text()
	for i, c := range w.captures {
		if !w.named(c.matcher.name) && (strings.Contains(text, c.start) || lastCapture(text)) {
			w.gaps = append(w.gaps, gap{handler: c.matcher, kept: c.kept})
			w.captures = append(w.captures[:i:i], w.captures[i+1:]...) // once is enough
			return
		}
	}
}

// lastCapture reports whether a text has a placeholder of whatever expression matched last.
func lastCapture(text string) bool {
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "{http.regexp.")
		if !found {
			return false
		}
		if rest = after; rest != "" && '0' <= rest[0] && rest[0] <= '9' {
			return true
		}
	}
}
