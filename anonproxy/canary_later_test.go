package anonproxy

import (
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/canary"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// What is POSTed is shown too, over both protocols.
func TestCanaryShowsPOST(t *testing.T) {
	tool, result := runCanary(t, canaryTool("https://maps.example.org", "GET", "POST"), Config{}, nil)
	if err := signed(t, tool, result).Verify(canary.Expect{Now: time.Now(), Declared: tool}); err != nil {
		t.Error(err)
	}
	posts := 0
	for _, q := range result.Requests {
		if q.Method != "POST" {
			continue
		}
		posts++
		if q.Refused != "" || !strings.Contains(string(q.Bytes), canary.Body) {
			t.Errorf("%v: refused %q, bytes %q", q, q.Refused, q.Bytes)
		}
	}
	if posts != 2 {
		t.Errorf("%d POSTs are shown", posts)
	}
}

// So is the request by which an EventSource begins.
func TestCanaryShowsEvents(t *testing.T) {
	declared := canaryTool("https://maps.example.org")
	declared.Streams = []noticeboard.Stream{noticeboard.Events}
	tool, result := runCanary(t, declared, Config{}, nil)
	if err := signed(t, tool, result).Verify(canary.Expect{Now: time.Now(), Declared: tool}); err != nil {
		t.Error(err)
	}
	last := result.Requests[len(result.Requests)-1]
	if last.Stream != noticeboard.Events || last.Refused != "" || !strings.Contains(last.Text, "\r\nAccept: text/event-stream\r\n") {
		t.Errorf("the last request is %v: %q", last, last.Text)
	}
}
