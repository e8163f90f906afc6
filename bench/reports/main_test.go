package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestDrive(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	served := make(chan error, 1)
	go func() {
		served <- run(ctx, []string{"serve", "-listen", "127.0.0.1:0", "-file", t.TempDir() + "/reports.db"}, write)
		write.Close()
	}()
	lines := bufio.NewScanner(read)
	if !lines.Scan() {
		t.Fatal(<-served)
	}
	ours, found := strings.CutPrefix(lines.Text(), "listening on ")
	if !found {
		t.Fatal(lines.Text())
	}
	var sent atomic.Int64
	peer := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent.Add(1) }))
	defer peer.Close()

	var out bytes.Buffer
	if err := run(ctx, []string{"drive", "-ours", ours, "-peer", peer.URL, "-rounds", "2", "-time", "100ms", "-connections", "2"}, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "round "); n != 2 || !strings.Contains(out.String(), "median: ours ") || sent.Load() == 0 {
		t.Errorf("the peer got %d:\n%s", sent.Load(), &out)
	}
	stop()
	accepted := 0
	if !lines.Scan() {
		t.Fatal(<-served)
	}
	if _, err := fmt.Sscanf(lines.Text(), "accepted %d, bad map[], refused map[], limited map[]", &accepted); err != nil || accepted == 0 {
		t.Errorf("%q, %v", lines.Text(), err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	broken := httptest.NewServer(http.NotFoundHandler())
	defer broken.Close()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing":          {nil, "serve or drive"},
		"another word":     {[]string{"x"}, "neither"},
		"serve the world":  {[]string{"serve", "-listen", ":0"}, "loopback"},
		"drive somebody":   {[]string{"drive", "-ours", broken.URL, "-peer", "http://192.0.2.1/"}, "loopback"},
		"drive a name":     {[]string{"drive", "-ours", "http://tool.example/", "-peer", broken.URL}, "loopback"},
		"no URL":           {[]string{"drive", "-ours", broken.URL}, "http URL"},
		"no rounds":        {[]string{"drive", "-ours", broken.URL, "-peer", broken.URL, "-rounds", "0"}, "positive"},
		"one that refuses": {[]string{"drive", "-ours", broken.URL, "-peer", broken.URL, "-time", "50ms"}, "404"},
	} {
		if err := run(t.Context(), c.args, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
