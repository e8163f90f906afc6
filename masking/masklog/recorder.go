package masklog

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// recorder takes down what is added to an encoder.
type recorder struct {
	rules  *Rules
	fields record
}

// record is what was taken down. The parts of an object or an array follow it, and its Integer is how many fields they
// take. A request has a *Request as its Interface, JSON is decoded, and bytes are a String till they are masked.
type record []zapcore.Field

// alone is the Integer of an array of one text, which is its String: most headers have one value.
const alone = -1

func (r *recorder) add(f zapcore.Field) { r.fields = append(r.fields, f) }

// reset forgets all, but not the room for it.
func (r *recorder) reset() {
	clear(r.fields)
	r.fields = r.fields[:0]
}

// AddObject takes down an object with its parts.
func (r *recorder) AddObject(key string, m zapcore.ObjectMarshaler) error {
	f := zapcore.Field{Key: key, Type: zapcore.ObjectMarshalerType}
	if about, ok := r.rules.describe(m); ok {
		f.Interface = &about
	}
	at := len(r.fields)
	r.add(f)
	defer func() { r.fields[at].Integer = int64(len(r.fields) - at - 1) }() // be it by a panic, which others may catch
	return m.MarshalLogObject(r)
}

// AddArray takes down an array with its elements.
func (r *recorder) AddArray(key string, m zapcore.ArrayMarshaler) error {
	at := len(r.fields)
	r.add(zapcore.Field{Key: key, Type: zapcore.ArrayMarshalerType})
	defer r.endArray(at)
	return m.MarshalLogArray((*arrayRecorder)(r))
}

func (r *recorder) endArray(at int) {
	array, elements := &r.fields[at], r.fields[at+1:]
	array.Integer = int64(len(elements))
	if len(elements) == 1 && elements[0].Type == zapcore.StringType {
		array.Integer, array.String = alone, elements[0].String
		r.fields = r.fields[:at+1]
	}
}

// AddReflected takes down what a value's JSON decodes to.
func (r *recorder) AddReflected(key string, value any) error {
	decoded, err := decode(value)
	if err == nil {
		r.add(zapcore.Field{Key: key, Type: zapcore.ReflectType, Interface: decoded})
	}
	return err
}

func (r *recorder) AddBinary(key string, value []byte) {
	r.add(zapcore.Field{Key: key, Type: zapcore.BinaryType, String: string(value)})
}

func (r *recorder) AddByteString(key string, value []byte) {
	r.add(zapcore.Field{Key: key, Type: zapcore.ByteStringType, String: string(value)})
}

func (r *recorder) OpenNamespace(key string)                    { r.add(zap.Namespace(key)) }
func (r *recorder) AddString(key, value string)                 { r.add(zap.String(key, value)) }
func (r *recorder) AddBool(key string, value bool)              { r.add(zap.Bool(key, value)) }
func (r *recorder) AddComplex128(key string, value complex128)  { r.add(zap.Complex128(key, value)) }
func (r *recorder) AddComplex64(key string, value complex64)    { r.add(zap.Complex64(key, value)) }
func (r *recorder) AddDuration(key string, value time.Duration) { r.add(zap.Duration(key, value)) }
func (r *recorder) AddTime(key string, value time.Time)         { r.add(zap.Time(key, value)) }
func (r *recorder) AddFloat64(key string, value float64)        { r.add(zap.Float64(key, value)) }
func (r *recorder) AddFloat32(key string, value float32)        { r.add(zap.Float32(key, value)) }
func (r *recorder) AddInt(key string, value int)                { r.add(zap.Int(key, value)) }
func (r *recorder) AddInt64(key string, value int64)            { r.add(zap.Int64(key, value)) }
func (r *recorder) AddInt32(key string, value int32)            { r.add(zap.Int32(key, value)) }
func (r *recorder) AddInt16(key string, value int16)            { r.add(zap.Int16(key, value)) }
func (r *recorder) AddInt8(key string, value int8)              { r.add(zap.Int8(key, value)) }
func (r *recorder) AddUint(key string, value uint)              { r.add(zap.Uint(key, value)) }
func (r *recorder) AddUint64(key string, value uint64)          { r.add(zap.Uint64(key, value)) }
func (r *recorder) AddUint32(key string, value uint32)          { r.add(zap.Uint32(key, value)) }
func (r *recorder) AddUint16(key string, value uint16)          { r.add(zap.Uint16(key, value)) }
func (r *recorder) AddUint8(key string, value uint8)            { r.add(zap.Uint8(key, value)) }
func (r *recorder) AddUintptr(key string, value uintptr)        { r.add(zap.Uintptr(key, value)) }

// arrayRecorder takes down what is added to an array, as fields without a key.
type arrayRecorder recorder

func (r *arrayRecorder) AppendArray(m zapcore.ArrayMarshaler) error {
	return (*recorder)(r).AddArray("", m)
}

func (r *arrayRecorder) AppendObject(m zapcore.ObjectMarshaler) error {
	return (*recorder)(r).AddObject("", m)
}

func (r *arrayRecorder) AppendReflected(value any) error {
	return (*recorder)(r).AddReflected("", value)
}

func (r *arrayRecorder) AppendByteString(value []byte) { (*recorder)(r).AddByteString("", value) }

func (r *arrayRecorder) AppendString(value string) { (*recorder)(r).AddString("", value) }

// element is how any other element is added, which is not masked.
type element func(zapcore.ArrayEncoder)

func (r *arrayRecorder) add(add element) {
	(*recorder)(r).add(zapcore.Field{Type: zapcore.SkipType, Interface: add})
}

func (r *arrayRecorder) AppendBool(v bool) { r.add(func(to zapcore.ArrayEncoder) { to.AppendBool(v) }) }
func (r *arrayRecorder) AppendComplex128(v complex128) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendComplex128(v) })
}
func (r *arrayRecorder) AppendComplex64(v complex64) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendComplex64(v) })
}
func (r *arrayRecorder) AppendDuration(v time.Duration) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendDuration(v) })
}
func (r *arrayRecorder) AppendTime(v time.Time) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendTime(v) })
}
func (r *arrayRecorder) AppendFloat64(v float64) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendFloat64(v) })
}
func (r *arrayRecorder) AppendFloat32(v float32) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendFloat32(v) })
}
func (r *arrayRecorder) AppendInt(v int) { r.add(func(to zapcore.ArrayEncoder) { to.AppendInt(v) }) }
func (r *arrayRecorder) AppendInt64(v int64) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendInt64(v) })
}
func (r *arrayRecorder) AppendInt32(v int32) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendInt32(v) })
}
func (r *arrayRecorder) AppendInt16(v int16) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendInt16(v) })
}
func (r *arrayRecorder) AppendInt8(v int8) { r.add(func(to zapcore.ArrayEncoder) { to.AppendInt8(v) }) }
func (r *arrayRecorder) AppendUint(v uint) { r.add(func(to zapcore.ArrayEncoder) { to.AppendUint(v) }) }
func (r *arrayRecorder) AppendUint64(v uint64) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendUint64(v) })
}
func (r *arrayRecorder) AppendUint32(v uint32) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendUint32(v) })
}
func (r *arrayRecorder) AppendUint16(v uint16) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendUint16(v) })
}
func (r *arrayRecorder) AppendUint8(v uint8) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendUint8(v) })
}
func (r *arrayRecorder) AppendUintptr(v uintptr) {
	r.add(func(to zapcore.ArrayEncoder) { to.AppendUintptr(v) })
}

// Interface guards
var (
	_ zapcore.ObjectEncoder = (*recorder)(nil)
	_ zapcore.ArrayEncoder  = (*arrayRecorder)(nil)
)
