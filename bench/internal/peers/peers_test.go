package peers

import (
	"bytes"
	"image/png"
	"testing"
)

func TestStandInVerifies(t *testing.T) {
	good := Signed("http://127.0.0.1:1/a.png")
	if u := verified(good); u == nil || u.Path != "/a.png" {
		t.Errorf("%v", u)
	}
	flipped := "/0" + good[2:]
	if flipped == good {
		flipped = "/1" + good[2:]
	}
	for _, path := range []string{flipped, good + "00", "/", "/zz/zz", Signed("file:///etc/passwd")} {
		if u := verified(path); u != nil {
			t.Errorf("%s is taken for %v", path, u)
		}
	}
}

func TestImage(t *testing.T) {
	data, err := NewImage(10 << 10)
	if err != nil || len(data) < 10<<10 || len(data) > 12<<10 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if _, err := png.Decode(bytes.NewReader(data)); err != nil {
		t.Error(err)
	}
}
