package followed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	f := File{Path: path, Most: 10}
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what, text string, fresh bool) {
		t.Helper()
		if data, got, err := f.Read(); err != nil || string(data) != text || got != fresh {
			t.Errorf("%s: %q, %v, %v", what, data, got, err)
		}
	}
	fails := func(what, want string) {
		t.Helper()
		if data, fresh, err := f.Read(); err == nil || fresh || data != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, %v", what, data, fresh, err)
		}
	}
	fails("none", "no such file")
	write("one", time.Hour)
	want("the first", "one", true)
	want("again", "", false)
	write("one", time.Minute)
	want("only its time is another", "", false)
	write("two", 0)
	want("new", "two", true)
	if err := os.WriteFile(path, []byte("due"), 0o600); err != nil { // as long, and perhaps within the same tick
		t.Fatal(err)
	}
	want("at once after that", "due", true)
	write("a longer text", time.Hour)
	fails("too large", "larger than 10 bytes")
	write("due", time.Hour)
	want("after an error", "due", true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	fails("gone", "no such file")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	fails("a directory", "isn't a file")
}
