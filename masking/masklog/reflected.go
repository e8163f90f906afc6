package masklog

import (
	"bytes"
	"encoding/json"
	"strings"
)

// decode returns a value of any kind as its JSON decodes to, which nobody else changes.
func decode(value any) (any, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(&buf)
	dec.UseNumber()
	var tree any
	err := dec.Decode(&tree)
	return tree, err
}

// tree masks what JSON was decoded to.
func (e *entry) tree(key string, value any) any {
	switch v := value.(type) {
	case string:
		if e.forwards(key) {
			return e.text(v)
		}
		return e.field(key, v, false)
	case []any:
		hide := e.forwards(key)
		for i := range v {
			if _, isText := v[i].(string); isText && hide {
				v[i] = Masked
			} else {
				v[i] = e.tree(key, v[i])
			}
		}
	case map[string]any:
		masked := make(map[string]any, len(v))
		hidden := false // an address, whose port is a member of its own: net.TCPAddr
		for name, member := range v {
			now := e.tree(name, member)
			text, isText := member.(string)
			hidden = hidden || isText && now != text
			masked[e.text(name)] = now
		}
		if hidden {
			for name := range masked {
				if _, isNumber := masked[name].(json.Number); isNumber && strings.HasSuffix(strings.ToLower(name), "port") {
					masked[name] = json.Number("0")
				}
			}
		}
		return masked
	}
	return value
}
