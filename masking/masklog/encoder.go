package masklog

import (
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// Encoder masks what another encoder writes.
//
// What a logger is given before its entries is taken down or kept at once, as it may change later, but not masked before
// the first entry: Caddy gives loggers the whole request which then have nothing to say.
type Encoder struct {
	recorder        // what the logger was given
	masked   masked // what came of that
	wrapped  zapcore.Encoder
	own      entry // what is known by these
	plain    bool
}

// masked are the fields as entries have them, which can be written at the same time.
type masked struct {
	sync.Mutex
	given  atomic.Int64 // how many of those that were given are among them
	fields record
}

// kept is the type of a field that is not taken down yet: its Interface makes the object. See Rules.Keep.
const kept = zapcore.UnknownType

func isKept(f zapcore.Field) bool { return f.Type == kept }

// New wraps an encoder. One that is plain writes nothing but what it's handed, so its lines
// needn't be looked through again.
func New(wrapped zapcore.Encoder, plain bool, rules *Rules) *Encoder {
	e := &Encoder{recorder: recorder{rules: rules}, wrapped: wrapped, plain: plain, own: entry{rules: rules}}
	if !plain {
		e.own.texts = rules.Texts
	}
	return e
}

// Clone implements zapcore.Encoder.
func (e *Encoder) Clone() zapcore.Encoder {
	e.maskOwn()
	fields := slices.Clip(e.masked.fields)
	clone := &Encoder{recorder: recorder{e.rules, fields}, wrapped: e.wrapped, own: e.own.clone(), plain: e.plain, masked: masked{fields: fields}}
	clone.masked.given.Store(int64(len(fields)))
	if !e.plain {
		clone.wrapped = e.wrapped.Clone()
	}
	return clone
}

// AddObject implements zapcore.Encoder. What the logger keeps takes no more room than it needs.
func (e *Encoder) AddObject(key string, m zapcore.ObjectMarshaler) error {
	if e.rules.Keep != nil {
		if object := e.rules.Keep(m); object != nil {
			e.add(zapcore.Field{Key: key, Type: kept, Interface: object})
			return nil
		}
	}
	s := scratches.Get().(*scratch)
	defer s.free()
	s.recorder.rules = e.rules
	err := s.recorder.AddObject(key, m)
	e.fields = append(e.fields, s.recorder.fields...)
	return err
}

// maskOwn masks the fields that were added. A plain encoder gets them with each entry, which comes to the same.
func (e *Encoder) maskOwn() {
	if int(e.masked.given.Load()) == len(e.fields) {
		return
	}
	e.masked.Lock()
	defer e.masked.Unlock()
	if int(e.masked.given.Load()) == len(e.fields) { // another entry was first
		return
	}
	if e.masked.fields == nil && !slices.ContainsFunc(e.fields, isKept) {
		e.masked.fields = e.fields // which nobody else has: they can be masked where they stand
		e.maskAdded(e.fields)
	} else {
		s := scratches.Get().(*scratch)
		defer s.free()
		s.recorder.rules = e.rules
		s.takeDown(e.fields[e.masked.given.Load():])
		e.maskAdded(s.recorder.fields)
		e.masked.fields = append(slices.Clip(e.masked.fields), s.recorder.fields...)
	}
	e.masked.given.Store(int64(len(e.fields)))
}

func (e *Encoder) maskAdded(fields record) {
	e.own.mask(fields, false)
	if !e.plain {
		fields.MarshalLogObject(e.wrapped)
	}
}

// EncodeEntry implements zapcore.Encoder. The fields aren't changed: other logs get them too.
func (e *Encoder) EncodeEntry(ent zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	e.maskOwn()
	s := scratches.Get().(*scratch)
	defer s.free()
	s.recorder.rules, s.entry = e.rules, e.own.clone()
	for _, f := range fields {
		if m, ok := f.Interface.(zapcore.ObjectMarshaler); ok {
			s.entry.see(e.rules.describe(m))
		}
	}
	ent.Message, ent.Stack = s.entry.text(ent.Message), s.entry.text(ent.Stack)
	if e.plain {
		s.fields = e.masked.fields.appendTo(s.fields)
	}
	for _, f := range fields {
		s.fields = append(s.fields, s.field(f))
	}
	line, err := e.wrapped.EncodeEntry(ent, s.fields)
	if err != nil || e.plain {
		return line, err
	}
	return s.entry.maskLine(line)
}

// maskLine masks the addresses that a wrapped encoder wrote by itself into a finished line; the versions of user agents
// stay. The encoder was given nothing that is spelled otherwise, and its own times and numbers aren't touched.
func (e *entry) maskLine(line *buffer.Buffer) (*buffer.Buffer, error) {
	e.found, e.finished = 0, true
	text, changed := e.scan(unsafe.String(unsafe.SliceData(line.Bytes()), line.Len()), finishedText) // which nobody writes to meanwhile
	if !changed {
		return line, nil
	}
	line.Reset()
	_, err := line.WriteString(text)
	return line, err
}

// scratch is what masking an entry takes.
type scratch struct {
	recorder recorder // what a field at hand consists of
	entry    entry
	fields   []zapcore.Field
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) free() {
	clear(s.fields)
	s.recorder.reset()
	s.entry, s.fields = entry{}, s.fields[:0]
	scratches.Put(s)
}

// takeDown takes down the fields that a logger was given, in their order. Those that weren't kept have been before.
func (s *scratch) takeDown(given record) {
	for len(given) > 0 {
		first, parts, rest := given.cut()
		if isKept(*first) {
			zap.Object(first.Key, first.Interface.(func() zapcore.ObjectMarshaler)()).AddTo(&s.recorder)
		} else {
			s.recorder.fields = append(append(s.recorder.fields, *first), parts...)
		}
		given = rest
	}
}

// field masks a field. One that has parts is taken down and masked as it's added.
func (s *scratch) field(f zapcore.Field) zapcore.Field {
	switch f.Type {
	case zapcore.StringType:
		f.String = s.entry.field(f.Key, f.String, false)
	case zapcore.ObjectMarshalerType, zapcore.ArrayMarshalerType, zapcore.BinaryType, zapcore.ByteStringType, zapcore.ReflectType,
		zapcore.StringerType, zapcore.ErrorType, zapcore.InlineMarshalerType:
		f = zapcore.Field{Type: zapcore.InlineMarshalerType, Interface: &maskedField{f, s}}
	}
	return f
}

// maskedField is a field that is masked when it's added.
type maskedField struct {
	field   zapcore.Field
	scratch *scratch
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (f *maskedField) MarshalLogObject(to zapcore.ObjectEncoder) error {
	r := &f.scratch.recorder
	f.field.AddTo(r)
	f.scratch.entry.mask(r.fields, false)
	err := r.fields.MarshalLogObject(to)
	r.reset()
	return err
}

// Interface guards
var (
	_ zapcore.Encoder = (*Encoder)(nil)
)
