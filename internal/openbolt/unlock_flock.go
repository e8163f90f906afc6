//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package openbolt

import (
	"os"
	"syscall"
)

// unlock closes a file that bbolt can't close itself. Its lock would stay, as its memory map does.
func unlock(f *os.File) {
	syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	f.Close()
}
