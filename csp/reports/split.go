package reports

import "iter"

// isSpace knows JSON's, RFC 8259 section 2.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func skipSpace(data []byte) []byte {
	for len(data) > 0 && isSpace(data[0]) {
		data = data[1:]
	}
	return data
}

// A record is one JSON value of a batch, or what stands in its place.
type record struct {
	data  []byte
	depth int  // of arrays and objects within each other, itself included
	whole bool // false where the batch ends within it
}

// records yields the elements of a JSON array, or JSON values that follow each
// other, by their brackets alone: a record that is not JSON ends where its brackets
// do, and the next one is read all the same. It does not recurse.
func records(data []byte) iter.Seq[record] {
	return func(yield func(record) bool) {
		data := skipSpace(data)
		inArray := len(data) > 0 && data[0] == '['
		if inArray {
			data = data[1:]
		}
		for data = skipSpace(data); len(data) > 0; data = skipSpace(data) {
			switch {
			case data[0] == ',':
				data = data[1:]
				continue
			case inArray && data[0] == ']':
				inArray, data = false, data[1:]
				continue
			}
			end, depth, whole := span(data)
			if !yield(record{data[:end], depth, whole}) {
				return
			}
			data = data[end:]
		}
	}
}

// span returns how long the first value of data is, one byte at least.
func span(data []byte) (end, depth int, whole bool) {
	open := 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			if i >= len(data) {
				return len(data), depth, false
			}
			if open == 0 {
				return i + 1, depth, true
			}
		case '{', '[':
			open++
			depth = max(depth, open)
		case '}', ']':
			if open == 0 { // it ends what is no object, or stands alone
				return max(i, 1), depth, true
			}
			if open--; open == 0 {
				return i + 1, depth, true
			}
		case ',', ' ', '\t', '\n', '\r':
			if open == 0 {
				return max(i, 1), depth, true
			}
		}
	}
	return len(data), depth, open == 0
}
