//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package openbolt

import "os"

// unlock closes a file that bbolt can't close itself.
func unlock(f *os.File) { f.Close() }
