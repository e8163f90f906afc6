package masklog

import (
	"go.uber.org/zap/zapcore"
)

// objectFilter masks what is added to an object.
type objectFilter struct {
	zapcore.ObjectEncoder
	entry     *entry
	ofRequest bool // the object is a request
}

// AddString implements zapcore.ObjectEncoder.
func (f objectFilter) AddString(key, value string) {
	f.ObjectEncoder.AddString(key, f.entry.field(key, value, f.ofRequest))
}

// AddByteString implements zapcore.ObjectEncoder.
func (f objectFilter) AddByteString(key string, value []byte) {
	f.ObjectEncoder.AddByteString(key, []byte(f.entry.field(key, string(value), false)))
}

// AddBinary implements zapcore.ObjectEncoder.
func (f objectFilter) AddBinary(key string, value []byte) {
	f.ObjectEncoder.AddBinary(key, []byte(f.entry.text(string(value))))
}

// AddObject implements zapcore.ObjectEncoder.
func (f objectFilter) AddObject(key string, m zapcore.ObjectMarshaler) error {
	return f.ObjectEncoder.AddObject(f.entry.text(key), f.entry.object(m))
}

// AddArray implements zapcore.ObjectEncoder. The key can be a header's name, and so a client's words.
func (f objectFilter) AddArray(key string, m zapcore.ArrayMarshaler) error {
	return f.ObjectEncoder.AddArray(f.entry.text(key), maskedArray{m, f.entry, key})
}

// AddReflected implements zapcore.ObjectEncoder.
func (f objectFilter) AddReflected(key string, value any) error {
	masked, err := f.entry.reflected(key, value)
	if err != nil {
		return err
	}
	return f.ObjectEncoder.AddReflected(f.entry.text(key), masked)
}

// maskedObject is an object that is masked when it's encoded.
type maskedObject struct {
	zapcore.ObjectMarshaler
	entry     *entry
	ofRequest bool
}

func (e *entry) object(m zapcore.ObjectMarshaler) zapcore.ObjectMarshaler {
	return maskedObject{m, e, e.see(m)}
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (o maskedObject) MarshalLogObject(to zapcore.ObjectEncoder) error {
	return o.ObjectMarshaler.MarshalLogObject(objectFilter{to, o.entry, o.ofRequest})
}

// maskedField is a field that is masked when it's added.
type maskedField struct {
	field zapcore.Field
	entry *entry
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (f maskedField) MarshalLogObject(to zapcore.ObjectEncoder) error {
	f.field.AddTo(objectFilter{to, f.entry, false})
	return nil
}

// maskedArray is an array that is masked when it's encoded.
type maskedArray struct {
	zapcore.ArrayMarshaler
	entry *entry
	key   string
}

// MarshalLogArray implements zapcore.ArrayMarshaler.
func (a maskedArray) MarshalLogArray(to zapcore.ArrayEncoder) error {
	return a.ArrayMarshaler.MarshalLogArray(arrayFilter{to, a.entry, a.key, a.entry.forwards(a.key)})
}

func (e *entry) forwards(key string) bool { return e.rules.Forwards != nil && e.rules.Forwards(key) }

// arrayFilter masks what is added to an array.
type arrayFilter struct {
	zapcore.ArrayEncoder
	entry *entry
	key   string
	hide  bool // all of it
}

func (f arrayFilter) value(text string) string {
	if f.hide {
		return Masked
	}
	return f.entry.value(f.key, text)
}

// AppendString implements zapcore.ArrayEncoder.
func (f arrayFilter) AppendString(value string) { f.ArrayEncoder.AppendString(f.value(value)) }

// AppendByteString implements zapcore.ArrayEncoder.
func (f arrayFilter) AppendByteString(value []byte) {
	f.ArrayEncoder.AppendByteString([]byte(f.value(string(value))))
}

// AppendArray implements zapcore.ArrayEncoder.
func (f arrayFilter) AppendArray(m zapcore.ArrayMarshaler) error {
	return f.ArrayEncoder.AppendArray(maskedArray{m, f.entry, f.key})
}

// AppendObject implements zapcore.ArrayEncoder.
func (f arrayFilter) AppendObject(m zapcore.ObjectMarshaler) error {
	return f.ArrayEncoder.AppendObject(f.entry.object(m))
}

// AppendReflected implements zapcore.ArrayEncoder.
func (f arrayFilter) AppendReflected(value any) error {
	masked, err := f.entry.reflected(f.key, value)
	if err != nil {
		return err
	}
	return f.ArrayEncoder.AppendReflected(masked)
}
