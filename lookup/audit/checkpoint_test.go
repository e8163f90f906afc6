package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func publishedLinks(t *testing.T, path string) (links []Link) {
	t.Helper()
	l := mustOpen(t, path)
	defer mustClose(t, l)
	if _, err := l.Publish(t.Context(), day); err != nil {
		t.Fatal(err)
	}
	links, err := l.Links(0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return links
}

func TestCheckpointReadsBack(t *testing.T) {
	_, eight := sampleLog(t, logPath(t))
	data, err := json.Marshal(eight)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "log", "node", "entries", "reveals", "pruned", "head", "time", "signature"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("%s has no %s", data, name)
		}
	}
	if len(fields) != 9 {
		t.Errorf("%s has %d fields, want 9", data, len(fields))
	}
	back, err := ParseCheckpoint(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Verify(testKeys(t, 1).Public()); err != nil {
		t.Error(err)
	}
}

func TestParseCheckpointRefuses(t *testing.T) {
	_, c := sampleLog(t, logPath(t))
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "not JSON"},
		"two":             {good + good, "not JSON"},
		"version 2":       {strings.Replace(good, `"version":1`, `"version":2`, 1), "unknown version 2"},
		"no version":      {strings.Replace(good, `"version":1,`, ``, 1), "unknown version 0"},
		"another field":   {strings.Replace(good, `"version":1`, `"version":1,"note":"trust me"`, 1), "other fields"},
		"short head":      {strings.Replace(good, c.Head.String(), "abcd", 1), "other fields or values"},
		"upper-case head": {strings.Replace(good, c.Head.String(), strings.ToUpper(c.Head.String()), 1), "other fields or values"},
		"bad node":        {strings.Replace(good, "edge-1", "edge 1", 1), "node name"},
		"too many":        {strings.Replace(good, `"reveals":2`, `"reveals":9`, 1), "contradict"},
		"pruned too many": {strings.Replace(good, `"pruned":0`, `"pruned":9`, 1), "contradict"},
		"negative":        {strings.Replace(good, `"reveals":2`, `"reveals":-2`, 1), "other fields or values"},
		"no signature":    {good[:strings.Index(good, `,"signature"`)] + "}", "signature has 0 bytes"},
		"fine time":       {strings.Replace(good, `Z","signature"`, `0001Z","signature"`, 1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseCheckpoint([]byte(c.text)); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", err, ErrCheckpoint, c.want)
			}
		})
	}
}

func TestCheckpointsSignatureCoversEachField(t *testing.T) {
	_, c := sampleLog(t, logPath(t))
	key := testKeys(t, 1).Public()
	if err := c.Verify(key); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Checkpoint){
		"log":       func(c *Checkpoint) { c.Log[0] ^= 1 },
		"node":      func(c *Checkpoint) { c.Node = "edge-2" },
		"entries":   func(c *Checkpoint) { c.Entries++ },
		"reveals":   func(c *Checkpoint) { c.Reveals-- },
		"pruned":    func(c *Checkpoint) { c.Pruned++ },
		"head":      func(c *Checkpoint) { c.Head[31] ^= 1 },
		"time":      func(c *Checkpoint) { c.Time = c.Time.Add(day) },
		"signature": func(c *Checkpoint) { c.Signature = bytes.Repeat([]byte{1}, 64) },
	} {
		t.Run(name, func(t *testing.T) {
			changed := c
			change(&changed)
			if err := changed.Verify(key); !errors.Is(err, ErrSignature) {
				t.Errorf("got %v, want %v", err, ErrSignature)
			}
		})
	}
	if err := c.Verify(testKeys(t, 2).Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("with another key: %v, want %v", err, ErrSignature)
	}
	if err := c.Verify(ed25519.PublicKey("short")); err == nil {
		t.Error("a short key was taken")
	}
	if err := c.verify(key, tagBase); !errors.Is(err, ErrSignature) {
		t.Errorf("as a base: %v, want %v", err, ErrSignature)
	}
}

func TestFollows(t *testing.T) {
	path := logPath(t)
	five, eight := sampleLog(t, path)
	_, other := sampleLog(t, logPath(t))
	links := publishedLinks(t, path)
	if len(links) != 8 || !links[2].Reveal || !links[6].Reveal || links[0].Reveal {
		t.Fatalf("links %v", links)
	}
	edit := func(change func([]Link)) []Link {
		changed := slices.Clone(links[5:])
		change(changed)
		return changed
	}
	with := func(c Checkpoint, change func(*Checkpoint)) Checkpoint {
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		later, earlier Checkpoint
		links          []Link
		want           string
	}{
		"continued":      {eight, five, links[5:], ""},
		"the same":       {five, five, nil, ""},
		"another log":    {other, five, links[5:], "two logs"},
		"fewer entries":  {five, eight, nil, "3 entries have vanished"},
		"fewer reveals":  {with(eight, func(c *Checkpoint) { c.Reveals = 0 }), five, links[5:], "1 reveals have vanished"},
		"unpruned":       {five, with(five, func(c *Checkpoint) { c.Pruned = 1 }), nil, "are back"},
		"links missing":  {eight, five, links[6:], "2 links are given for the 3 entries"},
		"links too many": {eight, five, links[4:], "4 links"},
		"edited":         {eight, five, edit(func(l []Link) { l[0].Record[0] ^= 1 }), "do not lead"},
		"reordered":      {eight, five, edit(func(l []Link) { l[0], l[1] = l[1], l[0] }), "do not lead"},
		"reveal hidden":  {eight, five, edit(func(l []Link) { l[1].Reveal = false }), "do not lead"},
		"rewritten":      {with(eight, func(c *Checkpoint) { c.Head[0] ^= 1 }), five, links[5:], "do not lead"},
		"other count":    {with(eight, func(c *Checkpoint) { c.Reveals = 3 }), five, links[5:], "count 2 reveals, not 3"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.later.Follows(c.earlier, c.links)
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" && (!errors.Is(err, ErrInconsistent) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	_, c := sampleLog(f, logPath(f))
	data, err := json.Marshal(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"version":1,"node":"a","time":"0000-01-01T00:00:00+23:59","signature":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCheckpoint(data)
		if err != nil {
			return
		}
		if err := c.Verify(make([]byte, 32)); err == nil {
			t.Error("anything verifies")
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseCheckpoint(again)
		if err != nil || !bytes.Equal(back.encode(), c.encode()) {
			t.Errorf("%s reads back as %+v, %v", again, back, err)
		}
		if decoded, err := decodeCheckpoint(c.encode()); err != nil || !bytes.Equal(decoded.encode(), c.encode()) {
			t.Errorf("the stored form reads back as %+v, %v", decoded, err)
		}
	})
}
