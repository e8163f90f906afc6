package edgetest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// CaptureStderr returns what the process writes to its standard error from now on: there
// goes what a library logs past Caddy's loggers.
func CaptureStderr(t testing.TB) func() []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stderr")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := syscall.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Dup3(int(file.Fd()), 2, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Dup3(saved, 2, 0); err != nil {
			t.Error(err)
		}
		syscall.Close(saved)
		file.Close()
	})
	return func() []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
}
