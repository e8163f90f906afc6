package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestCompare(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-rounds", "2", "-time", "50ms", "-connections", "2,3", "-size", "2000"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`2 connections, images of 2000 bytes, 2 rounds of 50ms each:`, `3 connections`, `  stand-in +[1-9]\d* requests/s, +[1-9]\d* MiB at most\n`,
		`  ours without cache +[1-9]\d* requests/s, +[1-9]\d* MiB at most, \d+\.\d\d times stand-in`, `  ours from cache +[1-9]`,
	} {
		if !regexp.MustCompile(line).MatchString(out.String()) {
			t.Errorf("nothing like %q in:\n%s", line, &out)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"connections": {[]string{"-connections", "8,x"}, `"x" is not a number of connections`},
		"rounds":      {[]string{"-rounds", "0"}, "a number is not positive"},
		"word":        {[]string{"tool-bench"}, "a word too many"},
		"binary":      {[]string{"-go-camo", "/nowhere/go-camo"}, "no such file"},
	} {
		if err := run(t.Context(), tt.args, new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// A server that refuses is no fast one.
func TestDriveTakesImagesOnly(t *testing.T) {
	for answer, want := range map[string]string{"404": "it answers", "chunked": "without a length", "": ""} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch answer {
			case "404":
				w.WriteHeader(404)
			case "chunked":
				w.(http.Flusher).Flush()
			}
			fmt.Fprint(w, "image")
		}))
		rate, err := drive(context.Background(), &process{address: s.Listener.Addr().String(), path: "/"}, 1, 20e6)
		s.Close()
		if want == "" && (err != nil || rate == 0) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v a second, %v", answer, rate, err)
		}
	}
}

func TestStandInVerifies(t *testing.T) {
	good := signed("http://127.0.0.1:1/a.png")
	if u := verified(good); u == nil || u.Path != "/a.png" {
		t.Errorf("%v", u)
	}
	flipped := "/0" + good[2:]
	if flipped == good {
		flipped = "/1" + good[2:]
	}
	for _, path := range []string{flipped, good + "00", "/", "/zz/zz", signed("file:///etc/passwd")} {
		if u := verified(path); u != nil {
			t.Errorf("%s is taken for %v", path, u)
		}
	}
}

func TestImage(t *testing.T) {
	data, err := newImage(10 << 10)
	if err != nil || len(data) < 10<<10 || len(data) > 12<<10 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if _, err := png.Decode(bytes.NewReader(data)); err != nil {
		t.Error(err)
	}
}
