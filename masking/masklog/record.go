package masklog

import "go.uber.org/zap/zapcore"

// mask masks a record where it stands.
func (e *entry) mask(fields record, ofRequest bool) {
	for len(fields) > 0 {
		f, parts, rest := fields.cut()
		switch key := f.Key; f.Type {
		case zapcore.StringType:
			f.String = e.field(key, f.String, ofRequest)
		case zapcore.ByteStringType:
			f.Interface = []byte(e.field(key, f.String, false))
		case zapcore.BinaryType:
			f.Interface = []byte(e.text(f.String))
		case zapcore.ReflectType:
			f.Interface, f.Key = e.tree(key, f.Interface), e.key(key)
		case zapcore.ObjectMarshalerType:
			f.Key = e.key(key)
			e.maskParts(f, parts)
		case zapcore.ArrayMarshalerType:
			f.Key = e.key(key)
			e.maskElements(key, f, parts)
		}
		fields = rest
	}
}

// maskParts masks what an object consists of.
func (e *entry) maskParts(object *zapcore.Field, parts record) {
	about, ofRequest := object.Interface.(*Request)
	if ofRequest {
		e.see(*about, true)
	}
	e.mask(parts, ofRequest)
}

// maskElements masks those of an array, which are under its key.
func (e *entry) maskElements(key string, array *zapcore.Field, elements record) {
	hide := e.forwards(key)
	value := func(text string) string {
		if hide {
			return Masked
		}
		return e.value(key, text)
	}
	if array.Integer == alone {
		array.String = value(array.String)
	}
	for left := elements; len(left) > 0; {
		f, parts, rest := left.cut()
		switch f.Type {
		case zapcore.StringType:
			f.String = value(f.String)
		case zapcore.ByteStringType:
			f.Interface = []byte(value(f.String))
		case zapcore.ReflectType:
			f.Interface = e.tree(key, f.Interface)
		case zapcore.ObjectMarshalerType:
			e.maskParts(f, parts)
		case zapcore.ArrayMarshalerType:
			e.maskElements(key, f, parts)
		}
		left = rest
	}
	e.makeTexts(array, elements)
}

// makeTexts makes an array of nothing but masked texts as the wrapped encoder wants it.
func (e *entry) makeTexts(array *zapcore.Field, elements record) {
	if e.texts == nil {
		return
	}
	if array.Integer == alone {
		array.Interface = e.texts([]string{array.String})
		return
	}
	texts := make([]string, 0, len(elements))
	for _, f := range elements {
		if f.Type != zapcore.StringType {
			return
		}
		texts = append(texts, f.String)
	}
	array.Interface = e.texts(texts)
}

func (e *entry) forwards(key string) bool { return e.rules.name(key).forwards }

// cut returns the first field, the parts it has, and what follows.
func (r record) cut() (first *zapcore.Field, parts, rest record) {
	first, rest = &r[0], r[1:]
	if first.Type == zapcore.ObjectMarshalerType || first.Type == zapcore.ArrayMarshalerType {
		size := max(first.Integer, 0)
		parts, rest = rest[:size], rest[size:]
	}
	return first, parts, rest
}

// appendTo appends the fields as others make them.
func (r record) appendTo(dst []zapcore.Field) []zapcore.Field {
	for len(r) > 0 {
		first, parts, rest := r.cut()
		dst, r = append(dst, whole(first, parts)), rest
	}
	return dst
}

// whole returns a field that knows its parts.
func whole(first *zapcore.Field, parts record) zapcore.Field {
	f := *first
	switch {
	case f.Type == zapcore.ArrayMarshalerType && f.Interface != nil: // see makeTexts
	case f.Integer == alone && f.Type == zapcore.ArrayMarshalerType:
		f.Interface = (*loneText)(first)
	case f.Type == zapcore.ObjectMarshalerType || f.Type == zapcore.ArrayMarshalerType:
		f.Interface = parts
	}
	return f
}

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (r record) MarshalLogObject(to zapcore.ObjectEncoder) error {
	for len(r) > 0 {
		first, parts, rest := r.cut()
		whole(first, parts).AddTo(to)
		r = rest
	}
	return nil
}

// MarshalLogArray implements zapcore.ArrayMarshaler.
func (r record) MarshalLogArray(to zapcore.ArrayEncoder) (err error) {
	for len(r) > 0 && err == nil {
		first, parts, rest := r.cut()
		switch f := whole(first, parts); f.Type {
		case zapcore.StringType:
			to.AppendString(f.String)
		case zapcore.ByteStringType:
			to.AppendByteString(f.Interface.([]byte))
		case zapcore.ObjectMarshalerType:
			err = to.AppendObject(f.Interface.(zapcore.ObjectMarshaler))
		case zapcore.ArrayMarshalerType:
			err = to.AppendArray(f.Interface.(zapcore.ArrayMarshaler))
		case zapcore.ReflectType:
			err = to.AppendReflected(f.Interface)
		default:
			f.Interface.(element)(to)
		}
		r = rest
	}
	return err
}

// loneText is an array of one text.
type loneText zapcore.Field

// MarshalLogArray implements zapcore.ArrayMarshaler.
func (t *loneText) MarshalLogArray(to zapcore.ArrayEncoder) error {
	to.AppendString(t.String)
	return nil
}
