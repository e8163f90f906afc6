package noticeboard

import "testing"

// What is passed without a look at all its readings has no dot segment in any.
func FuzzIsPlain(f *testing.F) {
	for _, path := range []string{
		"/", "/a.png", "/a..", "/a/.b", "/..", "/a/../b", "/a.;/b", "/%2e%2e/a", "/a./.", "/a\\..", "/\u2024\u2024/a", "/a b/.. /c", "/-/_.", "", ".", "a./..",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if isPlain(path) && hasDotSegment(path) {
			t.Errorf("%q passes", path)
		}
	})
}

func TestIsPlain(t *testing.T) {
	for path, want := range map[string]bool{"/tiles/3/4/5.png": true, "/npm/vue@3": false, "/a/..": false, "/.well-known/a": false, "/a%2e": false} {
		if isPlain(path) != want {
			t.Errorf("%q is taken for plain: %v", path, !want)
		}
	}
}
