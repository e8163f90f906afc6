package noticeboard

import (
	"cmp"
	"slices"
	"time"
)

// MaxChanges is how many entries the log of changes keeps; the oldest go.
const MaxChanges = 1000

// Act is what happened to a tool.
type Act string

// The acts of the log.
const (
	Added    Act = "added"
	Changed  Act = "changed" // its declaration
	Disabled Act = "disabled"
	Enabled  Act = "enabled"
	Lapsed   Act = "expired"
	Removed  Act = "removed" // its declaration
)

// A Change is an entry of the log.
type Change struct {
	At   time.Time `json:"at"`
	Tool string    `json:"tool"`
	Act  Act       `json:"act"`
	// Revision is the declaration's from then on; 0 where it didn't change.
	Revision uint64 `json:"revision,omitempty"`
	// Fields are the JSON names of the declaration's fields that changed.
	Fields []string `json:"fields,omitempty"`
	// Prefix is the path that was disabled or enabled; empty is the whole tool.
	Prefix string `json:"prefix,omitempty"`
	// By is who disabled or enabled. It isn't shown in public.
	By string `json:"by,omitempty"`
	// Why is shown in public.
	Why string `json:"why,omitempty"`
}

// same reports whether two entries say the same.
func (c Change) same(other Change) bool {
	return c.At.Equal(other.At) && c.Tool == other.Tool && c.Act == other.Act && c.Revision == other.Revision &&
		c.Prefix == other.Prefix && c.By == other.By && c.Why == other.Why
}

// log adds an entry.
func (b *stateBody) log(c Change) {
	c.At = c.At.UTC().Truncate(time.Second)
	b.Changes = append(b.Changes, c)
	if over := len(b.Changes) - MaxChanges; over > 0 {
		b.Changes = slices.Delete(b.Changes, 0, over)
	}
}

// record is what is known of a declaration that was last published.
type record struct {
	Revision uint64            `json:"revision"`
	Agreed   uint64            `json:"agreed,omitzero"`   // counts on where what readers agree to changes, and where the kill switch is taken back; 0 is Revision
	Consent  string            `json:"consent,omitempty"` // hash of what readers agree to, without what is counted
	Content  string            `json:"content"`           // sum of the whole
	Fields   map[string]string `json:"fields"`            // sums of its fields
	Disabled bool              `json:"disabled,omitzero"` // by the declaration
	Expired  bool              `json:"expired,omitzero"`  // stands in the log
}

// publish takes note of the declarations of a board: it counts the revision of
// each that is new or changed, and logs it.
func (b *stateBody) publish(board *Board, contents map[string]string, now time.Time) {
	for name, old := range b.Tools {
		if _, still := board.byName[name]; !still {
			// What comes back under this name must not have a revision it had.
			b.Floor = max(b.Floor, old.last())
			delete(b.Tools, name)
			b.log(Change{At: now, Tool: name, Act: Removed})
		}
	}
	for tool := range board.All() {
		if old, had := b.Tools[tool.Name]; !had || old.Content != contents[tool.Name] {
			b.declare(tool, contents[tool.Name], now)
		}
	}
	b.expire(board, contents, now)
}

// declare counts and logs one new declaration.
func (b *stateBody) declare(tool *Tool, content string, now time.Time) {
	old, had := b.Tools[tool.Name]
	last := old.last()
	if !had {
		last = b.Floor
	}
	next := record{
		Revision: max(last+1, datedRevision(now), tool.Revision), Content: content,
		Consent: tool.ConsentHash(tool.Revision), Fields: tool.fieldSums(), Disabled: tool.Disabled,
	}
	change := Change{At: now, Tool: tool.Name, Act: Added, Revision: next.Revision}
	if had {
		change.Act, change.Fields = Changed, changedFields(old.Fields, next.Fields)
		if old.Consent == next.Consent {
			next.Agreed = old.agreed()
		}
		switch {
		case tool.Disabled && !old.Disabled:
			change.Act = Disabled
		case !tool.Disabled && old.Disabled:
			change.Act = Enabled
		}
	}
	b.Tools[tool.Name] = next
	b.log(change)
}

// agreed is the number that readers' consents are bound to.
func (r record) agreed() uint64 { return cmp.Or(r.Agreed, r.Revision) }

// last is the highest number that was counted.
func (r record) last() uint64 { return max(r.Revision, r.Agreed) }

// expire logs the declarations that have expired, once each.
func (b *stateBody) expire(board *Board, contents map[string]string, now time.Time) {
	for tool := range board.All() {
		known := b.Tools[tool.Name]
		if tool.expired(now) && !known.Expired && known.Content == contents[tool.Name] {
			known.Expired = true
			b.Tools[tool.Name] = known
			b.log(Change{At: now, Tool: tool.Name, Act: Lapsed})
		}
	}
}

// datedRevision is the first revision of a day, as serials of DNS zones are by
// custom (RFC 1912, section 2.2). Counting from the date keeps revisions from
// coming again where the state was lost.
func datedRevision(now time.Time) uint64 {
	y, m, d := now.UTC().Date()
	return uint64(max(y, 2000)*1_000_000+int(m)*10_000+d*100) + 1
}
