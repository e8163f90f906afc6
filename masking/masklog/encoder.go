package masklog

import (
	"sync"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// Encoder masks what another encoder writes.
type Encoder struct {
	objectFilter // for what a logger is given before its entries
	wrapped      zapcore.Encoder
	own          entry // what is known by these
	plain        bool
}

// New wraps an encoder. One that is plain writes nothing but what it's handed, so its lines
// needn't be looked through again.
func New(wrapped zapcore.Encoder, plain bool, rules *Rules) *Encoder {
	return newEncoder(wrapped, plain, entry{rules: rules})
}

func newEncoder(wrapped zapcore.Encoder, plain bool, own entry) *Encoder {
	own.versions = own.versions[:len(own.versions):len(own.versions)]
	e := &Encoder{wrapped: wrapped, plain: plain, own: own}
	e.objectFilter = objectFilter{wrapped, &e.own, false}
	return e
}

// Clone implements zapcore.Encoder.
func (e *Encoder) Clone() zapcore.Encoder { return newEncoder(e.wrapped.Clone(), e.plain, e.own) }

// EncodeEntry implements zapcore.Encoder. The fields aren't changed: other logs get them too.
func (e *Encoder) EncodeEntry(ent zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	s := scratches.Get().(*scratch)
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
func (e *entry) maskLine(line *buffer.Buffer) (*buffer.Buffer, error) {
	e.found, e.finished = 0, true
	before := line.String()
	text := before
	if masked, changed := scan(e, text, true, func(dst []byte, text string) ([]byte, bool) { return append(dst, text...), false }); changed {
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
func (e *entry) maskField(f zapcore.Field) zapcore.Field {
	switch f.Type {
	case zapcore.StringType:
		f.String = e.field(f.Key, f.String, false)
	case zapcore.ObjectMarshalerType:
		f.Interface = e.object(f.Interface.(zapcore.ObjectMarshaler))
	case zapcore.ArrayMarshalerType:
		f = zapcore.Field{Type: f.Type, Key: e.text(f.Key), Interface: maskedArray{f.Interface.(zapcore.ArrayMarshaler), e, f.Key}}
	case zapcore.BinaryType, zapcore.ByteStringType, zapcore.ReflectType, zapcore.StringerType, zapcore.ErrorType, zapcore.InlineMarshalerType:
		f = zapcore.Field{Type: zapcore.InlineMarshalerType, Interface: maskedField{f, e}}
	}
	return f
}

// scratch is what masking an entry takes.
type scratch struct {
	entry  entry
	fields []zapcore.Field
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) free() {
	clear(s.fields)
	s.entry, s.fields = entry{}, s.fields[:0]
	scratches.Put(s)
}

// Interface guards
var (
	_ zapcore.Encoder = (*Encoder)(nil)
)
