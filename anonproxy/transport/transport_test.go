package transport

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/publicnet"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func toolAt(origin string) *noticeboard.Tool {
	return &noticeboard.Tool{Name: "maps", Origin: origin, AllowLoopback: !strings.Contains(origin, "example")}
}

func TestLoopbackToolStaysOnLoopback(t *testing.T) {
	transport := New(toolAt("http://localhost:9"))
	defer transport.Close()
	for address, reason := range map[string]string{
		"127.0.0.1:9": "", "[::1]:9": "", "10.0.0.1:9": "only be on loopback", "8.8.8.8:9": "only be on loopback", "nonsense": "not an address",
	} {
		err := transport.control("tcp", address, nil)
		if reason == "" && err != nil || reason != "" && (err == nil || !strings.Contains(err.Error(), reason)) {
			t.Errorf("%s: %v, want %q", address, err, reason)
		}
	}
}

func TestOnlyDeclaredHostsAreDialled(t *testing.T) {
	b := tooltest.NewTLS(t, tooltest.Answers("application/json", "{}"))
	transport := New(toolAt("http://127.0.0.1:9"))
	defer transport.Close()
	r, err := http.NewRequest("GET", b.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	var blocked *publicnet.BlockedError
	if res, err := transport.HTTP.RoundTrip(r); !errors.As(err, &blocked) || blocked.Reason != "the host isn't declared" {
		t.Errorf("got %v, %v", res, err)
	}
	if b.Conns.Load() != 0 {
		t.Error("the undeclared host was connected to")
	}
	if transport.HTTP.Proxy != nil {
		t.Error("a proxy of the environment could be used")
	}
}

// The canary's transport is the real one in all but where it connects and whom it trusts.
func TestEchoTransportIsTheRealOne(t *testing.T) {
	tool := toolAt("https://maps.example.org")
	real, echo := New(tool), NewEcho(tool, "127.0.0.1:1", x509.NewCertPool())
	defer real.Close()
	defer echo.Close()
	got := slices.Sorted(maps.Keys(unlike("", reflect.ValueOf(real), reflect.ValueOf(echo), make(map[[2]uintptr]bool))))
	if want := []string{".HTTP.TLSClientConfig.RootCAs", ".echo", ".loopback"}; !slices.Equal(got, want) {
		t.Errorf("they differ in %q, want %q", got, want)
	}
	if real.loopback || real.echo != "" || real.HTTP.TLSClientConfig.RootCAs != nil {
		t.Error("the real one has what is the echo's")
	}
}

// unlike are the paths of the fields in which two values differ: of our types all fields,
// of others those that are exported. Functions are the same if their code is.
func unlike(path string, a, b reflect.Value, seen map[[2]uintptr]bool) map[string]bool {
	found := make(map[string]bool)
	differ := func(paths map[string]bool) { maps.Copy(found, paths) }
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return map[string]bool{path: true}
	}
	switch a.Kind() {
	case reflect.Invalid, reflect.Chan, reflect.UnsafePointer:
	case reflect.Func:
		found[path] = a.Pointer() != b.Pointer()
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			found[path] = a.IsNil() != b.IsNil()
			break
		}
		if a.Kind() == reflect.Pointer {
			pair := [2]uintptr{a.Pointer(), b.Pointer()}
			if seen[pair] {
				break
			}
			seen[pair] = true
		}
		differ(unlike(path, a.Elem(), b.Elem(), seen))
	case reflect.Struct:
		for i := range a.NumField() {
			field := a.Type().Field(i)
			if field.IsExported() || strings.Contains(a.Type().PkgPath(), "wikiveil") {
				differ(unlike(path+"."+field.Name, a.Field(i), b.Field(i), seen))
			}
		}
	case reflect.Map:
		found[path] = a.Len() != b.Len()
		for _, key := range a.MapKeys() {
			differ(unlike(fmt.Sprintf("%s[%v]", path, key), a.MapIndex(key), b.MapIndex(key), seen))
		}
	case reflect.Slice, reflect.Array:
		found[path] = a.Len() != b.Len()
		for i := range min(a.Len(), b.Len()) {
			differ(unlike(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i), seen))
		}
	default:
		found[path] = !a.Equal(b)
	}
	maps.DeleteFunc(found, func(_ string, differs bool) bool { return !differs })
	return found
}

// The echo's transport reaches nothing but loopback, and no host that isn't declared.
func TestEchoTransportReachesNothingElse(t *testing.T) {
	b := tooltest.NewTLS(t, tooltest.Answers("application/json", "{}"))
	tool := toolAt("http://127.0.0.1:1")
	for name, tc := range map[string]struct{ echo, url, reason string }{
		"public echo":     {"192.0.2.1:80", "http://127.0.0.1:1/", "it may only be on loopback"},
		"undeclared host": {b.Listener.Addr().String(), "http://127.0.0.1:2/", "the host isn't declared"},
	} {
		t.Run(name, func(t *testing.T) {
			e := NewEcho(tool, tc.echo, nil)
			defer e.Close()
			r, err := http.NewRequest("GET", tc.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.HTTP.RoundTrip(r) //nolint:bodyclose // there is none
			var blocked *publicnet.BlockedError
			if !errors.As(err, &blocked) || blocked.Reason != tc.reason {
				t.Errorf("got %v", err)
			}
		})
	}
	if b.Conns.Load() != 0 {
		t.Error("the tool was connected to")
	}
}
