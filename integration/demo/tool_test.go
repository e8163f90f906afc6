package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestToolTellsWhatItGot(t *testing.T) {
	tool, err := NewTool()
	if err != nil {
		t.Fatal(err)
	}
	// A tool believes no header about its peer.
	w := visit(tool, "GET", "/request?x=1", "127.0.0.1:9", mask, nil)
	var seen Seen
	if err := json.Unmarshal(w.Body.Bytes(), &seen); err != nil {
		t.Fatal(err)
	}
	if seen.Address != "127.0.0.1" || seen.Path != "/request?x=1" || len(seen.Headers) != 2 || seen.Headers[1] != (Header{Name: "X-Forwarded-For", Value: mask}) {
		t.Errorf("got %+v", seen)
	}
}

func TestToolCountsByView(t *testing.T) {
	tool, err := NewTool()
	if err != nil {
		t.Fatal(err)
	}
	get := func(target string) *httptest.ResponseRecorder {
		return visit(tool, "GET", target, realAddress+":9", "", nil)
	}
	for _, target := range []string{"/picture.png?view=a", "/picture.png?view=a", "/tracker.js?view=a", "/request?view=b", "/picture.png", "/picture.png?view=" + strings.Repeat("x", 65)} {
		if w := get(target); w.Code != 200 {
			t.Fatalf("%s: got %d", target, w.Code)
		}
	}
	for view, want := range map[string]loads{"a": {Image: 2, Script: 1}, "b": {Data: 1}, "": {}, "unknown": {}} {
		var got loads
		if err := json.Unmarshal(get("/count?view="+view).Body.Bytes(), &got); err != nil || got != want {
			t.Errorf("view %q: got %+v and error %v, want %+v", view, got, err, want)
		}
	}
	for i := range maxViews {
		get(fmt.Sprint("/tracker.js?view=", i))
	}
	if len(tool.views) != maxViews || len(tool.order) != maxViews || tool.views["a"] != nil {
		t.Errorf("remembers %d views (%d in order), want the latest %d", len(tool.views), len(tool.order), maxViews)
	}
}

func TestPictureIsOne(t *testing.T) {
	tool, err := NewTool()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(visit(tool, "GET", "/picture.png", realAddress+":9", "", nil).Body.Bytes())); err != nil {
		t.Error(err)
	}
}
