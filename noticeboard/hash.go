package noticeboard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// maxRevision keeps revisions whole in any JSON reader, with room to count on.
const maxRevision = 1e15

// Hash is the declaration hash: SHA-256 in hex of "wikiveil/v1/declaration", a zero
// byte, and the declaration's canonical public form. Call it on a board's tool. On one
// of a [Live] board it covers the revision that was counted, so a change that is taken
// back gives a new hash; on others only the one that the operator gave.
//
// The canonical form is the JSON of the tool in normal form, with sorted names,
// no white space, and no field that is empty. So a new field in a later version
// changes the hash of no tool that doesn't use it.
func (t *Tool) Hash() string {
	public := t.Public()
	sum := sha256.Sum256(append([]byte("wikiveil/v1/declaration\x00"), public.canonical()...))
	return hex.EncodeToString(sum[:])
}

// notConsented are the fields that no reader agrees to: the others say who gets what of them, what for and for how long, and what may
// load. Disabled is agreed to by nobody, and ends consents: what a tool was disabled for may have made it another's. A field that doesn't stand here ends consents when it changes.
var notConsented = []string{
	// Who made, checked and answers for the declaration, and where to read on.
	"url", "source", "contact", "reviewer", "reviewed",
	// Until when the tool can be used.
	"expires",
	// What the proxy does, for all readers alike.
	"methods", "streams", "max_size", "max_request_size", "timeout", "client_limit", "limit", "refresh", "refresh_file", "refresh_every", "rewrite",
	// The origin says it.
	"allow_loopback",
}

// ConsentHash is what readers' consents are bound to: SHA-256 in hex of "wikiveil/v1/consent", a zero byte, and the
// canonical form of what they agreed to, with the number that was counted when they last had to agree anew, as its revision.
func (t *Tool) ConsentHash(revision uint64) string {
	fields := t.withRevision(revision).fields()
	for _, name := range notConsented {
		delete(fields, name)
	}
	form, _ := json.Marshal(fields)
	sum := sha256.Sum256(append([]byte("wikiveil/v1/consent\x00"), form...))
	return hex.EncodeToString(sum[:])
}

// Public returns the declaration without what is nobody's business: where the operator keeps the refresh file, if any.
func (t *Tool) Public() Tool {
	public := *t
	if public.RefreshFile != "" {
		public.RefreshFile = "not public"
	}
	return public
}

// content tells declarations apart by all that the operator wrote.
func (t *Tool) content() string {
	sum := sha256.Sum256(t.canonical())
	return hex.EncodeToString(sum[:])
}

func (t *Tool) canonical() []byte {
	form, _ := json.Marshal(t.fields()) // sorts the names
	return form
}

// fields are the JSON values of the fields that aren't empty.
func (t *Tool) fields() map[string]any {
	var fields map[string]any
	// Texts, numbers and lists of texts: nothing that can't be encoded.
	form, _ := json.Marshal(t)
	dec := json.NewDecoder(bytes.NewReader(form))
	dec.UseNumber()
	_ = dec.Decode(&fields)
	return fields
}

// fieldSums are short sums of the fields, to tell which of them changed.
func (t *Tool) fieldSums() map[string]string {
	sums := make(map[string]string)
	for name, value := range t.fields() {
		form, _ := json.Marshal(value)
		sum := sha256.Sum256(form)
		sums[name] = hex.EncodeToString(sum[:4])
	}
	return sums
}

// changedFields names the fields that differ, sorted.
func changedFields(before, after map[string]string) []string {
	var names []string
	for name := range after {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, still := after[name]; !still {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// withRevision returns a copy of another revision.
func (t *Tool) withRevision(n uint64) *Tool {
	own := *t
	own.Revision = n
	return &own
}
