package caddyprivate

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// What depends on Caddy's insides is in one place, where a new Caddy can be held against it.
func TestNobodyElseReflects(t *testing.T) {
	err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Base(path) == "caddyprivate.go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imported := range file.Imports {
			if name := imported.Path.Value; name == `"reflect"` || name == `"unsafe"` {
				t.Errorf("%s imports %s", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A Caddy of another shape is one whose logs aren't known to be masked.
func TestAnotherCaddy(t *testing.T) {
	for _, of := range []any{struct{ conf int }{}, struct{ cfg int }{}, 1} {
		if _, err := field(reflect.ValueOf(of), "cfg", reflect.Pointer); err == nil || !strings.Contains(err.Error(), "this Caddy is another") {
			t.Errorf("%T: %v", of, err)
		}
	}
	if err := hasParts(reflect.ValueOf(caddy.Config{})); err != nil {
		t.Errorf("this Caddy: %v", err)
	}
	for _, config := range []any{struct{ StorageRaw []byte }{}, struct{ AppsRaw map[string]string }{}, struct{ AppsRaw, StorageRaw []byte }{}} {
		if err := hasParts(reflect.ValueOf(config)); err == nil || !strings.Contains(err.Error(), "this Caddy is another") {
			t.Errorf("%T: %v", config, err)
		}
	}
}
