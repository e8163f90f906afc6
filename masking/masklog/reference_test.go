package masklog

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// What follows masks field by field, at once, and copies as it goes: slow, and plainly right. What the package does must be the same.

// Encoder masks what another encoder writes.
type refEncoder struct {
	refObjectFilter // for what a logger is given before its entries
	wrapped         zapcore.Encoder
	own             refEntry // what is known by these
	plain           bool
}

// New wraps an encoder. One that is plain writes nothing but what it's handed, so its lines
// needn't be looked through again.
func newReference(wrapped zapcore.Encoder, plain bool, rules *Rules) *refEncoder {
	return newRefEncoder(wrapped, plain, refEntry{rules: rules})
}

func newRefEncoder(wrapped zapcore.Encoder, plain bool, own refEntry) *refEncoder {
	own.versions = own.versions[:len(own.versions):len(own.versions)]
	e := &refEncoder{wrapped: wrapped, plain: plain, own: own}
	e.refObjectFilter = refObjectFilter{wrapped, &e.own, false}
	return e
}

// Clone implements zapcore.Encoder.
func (e *refEncoder) Clone() zapcore.Encoder { return newRefEncoder(e.wrapped.Clone(), e.plain, e.own) }

// EncodeEntry implements zapcore.Encoder. The fields aren't changed: other logs get them too.
func (e *refEncoder) EncodeEntry(ent zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	s := refScratches.Get().(*refScratch)
	defer s.free()
	s.entry = e.own
	s.entry.versions = e.own.versions[:len(e.own.versions):len(e.own.versions)]
	for _, f := range fields {
		if m, ok := f.Interface.(zapcore.ObjectMarshaler); ok {
			s.entry.see(m)
		}
	}
	ent.Message, ent.Stack = s.entry.text(ent.Message), s.entry.text(ent.Stack)
	for _, f := range fields {
		s.fields = append(s.fields, s.entry.maskField(f))
	}
	line, err := e.wrapped.EncodeEntry(ent, s.fields)
	if err != nil || e.plain {
		return line, err
	}
	return s.entry.maskLine(line)
}

// maskLine masks the addresses that a wrapped encoder wrote by itself into a finished line; the versions of user agents
// stay. The encoder was given nothing that is spelled otherwise, and its own times and numbers aren't touched.
func (e *refEntry) maskLine(line *buffer.Buffer) (*buffer.Buffer, error) {
	e.found, e.finished = 0, true
	before := line.String()
	text := before
	if masked, changed := refScan(e, text, true, func(dst []byte, text string) ([]byte, bool) { return append(dst, text...), false }); changed {
		text = string(masked)
	}
	if text == before {
		return line, nil
	}
	line.Reset()
	_, err := line.WriteString(text)
	return line, err
}

// maskField masks a field. What isn't a text, an object or an array is masked as it's added.
func (e *refEntry) maskField(f zapcore.Field) zapcore.Field {
	switch f.Type {
	case zapcore.StringType:
		f.String = e.field(f.Key, f.String, false)
	case zapcore.ObjectMarshalerType, zapcore.ArrayMarshalerType, zapcore.BinaryType, zapcore.ByteStringType, zapcore.ReflectType, zapcore.StringerType, zapcore.ErrorType, zapcore.InlineMarshalerType:
		f = zapcore.Field{Type: zapcore.InlineMarshalerType, Interface: refMaskedField{f, e}}
	}
	return f
}

// refScratch is what masking an entry takes.
type refScratch struct {
	entry  refEntry
	fields []zapcore.Field
}

var refScratches = sync.Pool{New: func() any { return new(refScratch) }}

func (s *refScratch) free() {
	clear(s.fields)
	s.entry, s.fields = refEntry{}, s.fields[:0]
	refScratches.Put(s)
}

// entry is what is known of an entry while it's masked.
type refEntry struct {
	rules    *Rules
	clients  [2]netip.Prefix // the request's client and peer
	known    int             // of these
	private  bool
	appsMask string       // of the client, as the app sees it
	finished bool         // its line is written, with the masks that belong there
	found    int          // addresses so far
	paths    int          // of the operator's so far
	versions []netip.Addr // that were left in a user agent
	masked   [2]struct {  // the peer's and the client's, which mostly are one
		text, mask string
	}
}

// see takes note of whose request an entry is about.
func (e *refEntry) see(m zapcore.ObjectMarshaler) bool {
	if e.rules.Request == nil {
		return false
	}
	r, ok := e.rules.Request(m)
	if !ok {
		return false
	}
	e.private = e.private || r.Private
	if r.Mask != "" {
		e.appsMask = r.Mask
	}
	for _, client := range [...]netip.Prefix{r.Client, r.Peer} {
		if !client.IsValid() || e.readable(client.Addr()) || slices.Contains(e.clients[:e.known], client) || e.known == len(e.clients) {
			continue
		}
		e.clients[e.known] = client
		e.known++
	}
	return true
}

// field masks a text by the name it has.
func (e *refEntry) field(key, value string, ofRequest bool) string {
	switch key {
	case "remote_port", "client_port":
		return "0"
	case "remote_ip", "client_ip":
		if ofRequest {
			return e.maskOf(value)
		}
	case "epoch":
		if isEpoch(value) {
			return value
		}
	case "user_id":
		if e.private {
			return ""
		}
	}
	return e.value(key, value)
}

// value masks a header's value, or any other text that has a name.
func (e *refEntry) value(key, text string) string {
	if key == "Client-Mask" { // the edge's own word, wherever the client's address stood
		if addr, err := netip.ParseAddr(text); err == nil && masking.Is(addr) {
			return text
		}
	}
	if e.rules.Page != nil && len(text) > 0 && (text[0] == '/' || strings.HasPrefix(text, "http")) {
		if shown, ours := e.rules.Page(text); ours {
			text = shown
		}
	}
	return e.mask(text, isAgent(key))
}

func (e *refEntry) text(text string) string { return e.mask(text, false) }

// maskOf returns the mask of a peer or client.
func (e *refEntry) maskOf(text string) string {
	for i := range e.masked {
		switch known := &e.masked[i]; known.text {
		case text:
			return known.mask
		case "":
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return e.text(text)
			}
			if addr = addr.Unmap(); masking.Is(addr) {
				return text
			}
			known.text, known.mask = text, e.rules.Mask(addr)
			return known.mask
		}
	}
	return Masked
}

// mask masks a text. In a user agent versions stay.
//
// What is replaced must not depend on whose request it is: whoever can make a reader's browser ask for a list of
// addresses and reads the log would see which is the reader's. So whatever may be anybody's address, in any spelling,
// becomes the same; some numbers and ids that aren't do too.
func (e *refEntry) mask(text string, agent bool) string {
	if before, path, after, found := e.rules.cutPath(text); found && e.paths < maxFound {
		e.paths++
		return e.mask(before, agent) + path + e.mask(after, agent)
	}
	hide := refHide
	if agent {
		e.learnVersions(text)
		hide = refHideInAgent
	}
	if out, changed := refScan(e, text, agent, hide); changed {
		return string(out)
	}
	return text
}

// refMayHold rules out texts without the separators of addresses.
func refMayHold(text string) bool {
	return strings.IndexByte(text, '.') >= 0 || strings.IndexByte(text, ':') >= 0 || strings.IndexByte(text, '%') >= 0
}

// refScan masks the addresses of a text: first those that can be nothing else, and what may be one between them.
func refScan(e *refEntry, text string, agent bool, hide refHider) (out []byte, changed bool) {
	from := 0 // of what isn't written yet
	for at := 0; refMayHold(text); {
		f, ok := spelling.Next(text, at)
		if !ok {
			break
		}
		if e.found++; e.found > maxFound {
			out, _ = hide(out, text[from:f.Start])
			return append(out, leftOut...), true
		}
		at = f.End
		if e.keeps(f.Addr, agent) {
			var hidden bool
			out, hidden = hide(out, text[from:f.Start])
			out, from = append(out, text[f.Start:f.End]...), f.End
			changed = changed || hidden
			continue
		}
		start, end := spelling.Around(text, f.Start, f.End)
		out, _ = hide(out, text[from:max(from, start)])
		out = append(out, Masked...)
		from, at, changed = end, end, true
	}
	if from == 0 {
		return hide(nil, text)
	}
	var hidden bool
	out, hidden = hide(out, text[from:])
	return out, changed || hidden
}

// refHider appends a text without what may be an address, and reports whether there was any.
type refHider func(dst []byte, text string) ([]byte, bool)

func refHide(dst []byte, text string) ([]byte, bool) {
	text, hidden := spelling.Hide(text, Masked)
	return append(dst, text...), hidden
}

// keeps reports whether an address stays: a mask, a server's, none, or a version of a user agent.
func (e *refEntry) keeps(addr netip.Addr, agent bool) bool {
	if masking.Is(addr) {
		return e.finished || !e.isOwnMask(addr)
	}
	return addr.IsUnspecified() || e.readable(addr) || agent && slices.Contains(e.versions, addr) && !e.isClient(addr)
}

// isOwnMask reports whether a mask is the client's own. It stands in the headers of a request or answer that were scrubbed, where
// the address was: beside guesses that became another word, it would tell which was right.
func (e *refEntry) isOwnMask(mask netip.Addr) bool {
	text := mask.String()
	return text == e.appsMask || slices.ContainsFunc(e.clients[:e.known], func(client netip.Prefix) bool { return e.rules.Mask(client.Addr()) == text })
}

func (e *refEntry) isClient(addr netip.Addr) bool {
	return slices.ContainsFunc(e.clients[:e.known], func(client netip.Prefix) bool { return client.Contains(addr.Unmap()) })
}

func (e *refEntry) readable(addr netip.Addr) bool {
	_, ok := e.rules.Readable[addr.Unmap().WithZone("")]
	return ok
}

// refObjectFilter masks what is added to an object.
type refObjectFilter struct {
	zapcore.ObjectEncoder
	entry     *refEntry
	ofRequest bool // the object is a request
}

// AddString implements zapcore.ObjectEncoder.
func (f refObjectFilter) AddString(key, value string) {
	f.ObjectEncoder.AddString(key, f.entry.field(key, value, f.ofRequest))
}

// AddByteString implements zapcore.ObjectEncoder.
func (f refObjectFilter) AddByteString(key string, value []byte) {
	f.ObjectEncoder.AddByteString(key, []byte(f.entry.field(key, string(value), false)))
}

// AddBinary implements zapcore.ObjectEncoder.
func (f refObjectFilter) AddBinary(key string, value []byte) {
	f.ObjectEncoder.AddBinary(key, []byte(f.entry.text(string(value))))
}

// AddObject implements zapcore.ObjectEncoder.
func (f refObjectFilter) AddObject(key string, m zapcore.ObjectMarshaler) error {
	return f.ObjectEncoder.AddObject(f.entry.text(key), f.entry.object(m))
}

// AddArray implements zapcore.ObjectEncoder. The key can be a header's name, and so a client's words.
func (f refObjectFilter) AddArray(key string, m zapcore.ArrayMarshaler) error {
	return f.ObjectEncoder.AddArray(f.entry.text(key), refMaskedArray{m, f.entry, key})
}

// AddReflected implements zapcore.ObjectEncoder.
func (f refObjectFilter) AddReflected(key string, value any) error {
	masked, err := f.entry.reflected(key, value)
	if err != nil {
		return err
	}
	return f.ObjectEncoder.AddReflected(f.entry.text(key), masked)
}

// refMaskedObject is an object that is masked when it's encoded.
type refMaskedObject struct {
	zapcore.ObjectMarshaler
	entry     *refEntry
	ofRequest bool
}

func (e *refEntry) object(m zapcore.ObjectMarshaler) zapcore.ObjectMarshaler {
	return refMaskedObject{m, e, e.see(m)}
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (o refMaskedObject) MarshalLogObject(to zapcore.ObjectEncoder) error {
	return o.ObjectMarshaler.MarshalLogObject(refObjectFilter{to, o.entry, o.ofRequest})
}

// refMaskedField is a field that is masked when it's added.
type refMaskedField struct {
	field zapcore.Field
	entry *refEntry
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (f refMaskedField) MarshalLogObject(to zapcore.ObjectEncoder) error {
	f.field.AddTo(refObjectFilter{to, f.entry, false})
	return nil
}

// refMaskedArray is an array that is masked when it's encoded.
type refMaskedArray struct {
	zapcore.ArrayMarshaler
	entry *refEntry
	key   string
}

// MarshalLogArray implements zapcore.ArrayMarshaler.
func (a refMaskedArray) MarshalLogArray(to zapcore.ArrayEncoder) error {
	return a.ArrayMarshaler.MarshalLogArray(refArrayFilter{to, a.entry, a.key, a.entry.forwards(a.key)})
}

func (e *refEntry) forwards(key string) bool { return e.rules.Forwards != nil && e.rules.Forwards(key) }

// refArrayFilter masks what is added to an array.
type refArrayFilter struct {
	zapcore.ArrayEncoder
	entry *refEntry
	key   string
	hide  bool // all of it
}

func (f refArrayFilter) value(text string) string {
	if f.hide {
		return Masked
	}
	return f.entry.value(f.key, text)
}

// AppendString implements zapcore.ArrayEncoder.
func (f refArrayFilter) AppendString(value string) { f.ArrayEncoder.AppendString(f.value(value)) }

// AppendByteString implements zapcore.ArrayEncoder.
func (f refArrayFilter) AppendByteString(value []byte) {
	f.ArrayEncoder.AppendByteString([]byte(f.value(string(value))))
}

// AppendArray implements zapcore.ArrayEncoder.
func (f refArrayFilter) AppendArray(m zapcore.ArrayMarshaler) error {
	return f.ArrayEncoder.AppendArray(refMaskedArray{m, f.entry, f.key})
}

// AppendObject implements zapcore.ArrayEncoder.
func (f refArrayFilter) AppendObject(m zapcore.ObjectMarshaler) error {
	return f.ArrayEncoder.AppendObject(f.entry.object(m))
}

// AppendReflected implements zapcore.ArrayEncoder.
func (f refArrayFilter) AppendReflected(value any) error {
	masked, err := f.entry.reflected(f.key, value)
	if err != nil {
		return err
	}
	return f.ArrayEncoder.AppendReflected(masked)
}

// learnVersions notes the versions of a user agent that read as addresses, such as
// YaBrowser/24.1.0.0 and "Chromium";v="156.0.0.0".
func (e *refEntry) learnVersions(agent string) {
	for i := 1; i < len(agent)-len("1.2.3.4")+1; i++ {
		if !startsVersion(agent, i) {
			continue
		}
		end := versionEnd(agent, i)
		if end == 0 {
			continue
		}
		if addr, err := netip.ParseAddr(agent[i:end]); err == nil && !slices.Contains(e.versions, addr) {
			e.versions = append(e.versions, addr)
		}
	}
}

// refHideInAgent is hide but for versions of several parts, such as Chrome/120.0.6099.109.
func refHideInAgent(dst []byte, agent string) ([]byte, bool) {
	from, changed := 0, false
	for i := 1; i < len(agent); i++ {
		if !startsVersion(agent, i) {
			continue
		}
		if end := versionEnd(agent, i); end > i && strings.IndexByte(agent[i:end], '.') > 0 {
			var hidden bool
			dst, hidden = refHide(dst, agent[from:i])
			dst, changed = append(dst, agent[i:end]...), changed || hidden
			from, i = end, end
		}
	}
	dst, hidden := refHide(dst, agent[from:])
	return dst, changed || hidden
}

// reflected masks a value of any kind, as its JSON.
func (e *refEntry) reflected(key string, value any) (any, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(&buf)
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	return e.tree(key, tree), nil
}

// tree masks what JSON was decoded to.
func (e *refEntry) tree(key string, value any) any {
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
