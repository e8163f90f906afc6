package inorder

import "bytes"

// Lines is a Cut behind the last line.
func Lines(data []byte, seen int) int {
	if end := bytes.LastIndexByte(data[seen:], '\n'); end >= 0 {
		return seen + end + 1
	}
	return 0
}
