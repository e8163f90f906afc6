package audit

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func TestCheckpointReadsBack(t *testing.T) {
	_, eight := sampleLog(t, logPath(t))
	for _, text := range []string{eight.Note, strings.ReplaceAll(eight.Note, "\n", "\r\n"), "\n" + strings.TrimSpace(eight.Note)} {
		back, err := ParseCheckpoint([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := back.Verify(testKeys(t, 1).Public()); err != nil || back != eight {
			t.Errorf("%+v, %v", back, err)
		}
	}
	data, err := json.Marshal(eight)
	if err != nil {
		t.Fatal(err)
	}
	var back Checkpoint
	if err := json.Unmarshal(data, &back); err != nil || back != eight {
		t.Errorf("in JSON: %s, %v", data, err)
	}
}

// What others' tools need: a tree's head in the form of a tlog-checkpoint, signed as a note by a key of the log's name.
func TestCheckpointIsOfTheStandard(t *testing.T) {
	_, eight := sampleLog(t, logPath(t))
	origin, _, _ := strings.Cut(eight.Note, "\n")
	if origin != "wikiveil.audit/edge-1/"+eight.Log.String() {
		t.Errorf("origin %q", origin)
	}
	vkey, err := note.NewEd25519VerifierKey(origin, testKeys(t, 1).Public())
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open([]byte(eight.Note), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(opened.Text, "\n")
	if head, err := tlog.ParseHash(lines[2]); err != nil || lines[1] != "8" || head != eight.Head {
		t.Errorf("%q, %v", lines, err)
	}
	signed, err := note.Sign(opened, anotherSigner(t)) // a witness adds its own
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCheckpoint(signed)
	if err != nil || c.Verify(testKeys(t, 1).Public()) != nil {
		t.Errorf("with a witness's signature: %v, %v", err, c.Verify(testKeys(t, 1).Public()))
	}
}

func anotherSigner(t *testing.T) note.Signer {
	t.Helper()
	private, _, err := note.GenerateKey(nil, "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestParseCheckpointRefuses(t *testing.T) {
	_, c := sampleLog(t, logPath(t))
	good := c.Note
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "not a signed note"},
		"no signature":    {good[:strings.Index(good, "\n\n")+1], "not a signed note"},
		"an address":      {"203.0.113.9", "not a signed note"},
		"long":            {good + strings.Repeat(good[strings.Index(good, "— "):], 300), "not a signed note"},
		"another line":    {strings.Replace(good, "\npruned", "\ntrust me\npruned", 1), "six lines"},
		"a line less":     {strings.Replace(good, "pruned 0\n", "", 1), "six lines"},
		"lines swapped":   {strings.Replace(good, "reveals 2\npruned 0", "pruned 0\nreveals 2", 1), "another form"},
		"short head":      {strings.Replace(good, c.Head.String(), "abcd", 1), "another form"},
		"upper-case log":  {strings.Replace(good, "/"+c.Log.String(), "/"+strings.ToUpper(c.Log.String()), 1), "another form"},
		"of another kind": {strings.Replace(good, originPrefix, "example/", 1), "another form"},
		"bad node":        {strings.Replace(good, "edge-1", "edge 1", 1), "node name"},
		"too many":        {strings.Replace(good, "reveals 2", "reveals 9", 1), "contradict"},
		"pruned too many": {strings.Replace(good, "pruned 0", "pruned 9", 1), "contradict"},
		"negative":        {strings.Replace(good, "reveals 2", "reveals -2", 1), "another form"},
		"padded number":   {strings.Replace(good, "reveals 2", "reveals 02", 1), "another form"},
		"fine time":       {strings.Replace(good, "Z\n", "0001Z\n", 1), "another form"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseCheckpoint([]byte(c.text)); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "203.0") {
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
		"signature": func(c *Checkpoint) { *c = c.signed(testKeys(t, 2)) },
	} {
		t.Run(name, func(t *testing.T) {
			changed := c
			change(&changed)
			if err := changed.Verify(key); !errors.Is(err, ErrSignature) {
				t.Errorf("got %v, want %v", err, ErrSignature)
			}
			_, signatures, _ := strings.Cut(c.Note, "\n\n") // and in the text
			changed.Note = changed.text() + "\n" + signatures
			if name == "signature" {
				return
			}
			if err := changed.Verify(key); !errors.Is(err, ErrSignature) {
				t.Errorf("in the text: got %v, want %v", err, ErrSignature)
			}
		})
	}
	if err := c.Verify(testKeys(t, 2).Public()); !errors.Is(err, ErrSignature) {
		t.Errorf("with another key: %v, want %v", err, ErrSignature)
	}
	if err := c.Verify(ed25519.PublicKey("short")); err == nil {
		t.Error("a short key was taken")
	}
}

func TestFollows(t *testing.T) {
	path := logPath(t)
	five, eight := sampleLog(t, path)
	_, other := sampleLog(t, logPath(t))
	l := mustOpen(t, path)
	defer mustClose(t, l)
	if _, err := l.Publish(t.Context(), day); err != nil {
		t.Fatal(err)
	}
	_, proof, err := l.Proof(5)
	if err != nil || len(proof) < 2 {
		t.Fatalf("proof %v, %v", proof, err)
	}
	_, three, err := l.Proof(3)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(change func(tlog.TreeProof)) tlog.TreeProof {
		changed := slices.Clone(proof)
		change(changed)
		return changed
	}
	with := func(c Checkpoint, change func(*Checkpoint)) Checkpoint {
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		later, earlier Checkpoint
		proof          tlog.TreeProof
		want           string
	}{
		"continued":      {eight, five, proof, ""},
		"the same":       {five, five, nil, ""},
		"from none":      {eight, with(eight, func(c *Checkpoint) { c.Entries, c.Reveals = 0, 0 }), nil, ""},
		"another log":    {other, five, proof, "two logs"},
		"fewer entries":  {five, eight, nil, "3 entries have vanished"},
		"fewer reveals":  {with(eight, func(c *Checkpoint) { c.Reveals = 0 }), five, proof, "1 reveals have vanished"},
		"unpruned":       {five, with(five, func(c *Checkpoint) { c.Pruned = 1 }), nil, "are back"},
		"no proof":       {eight, five, nil, "does not lead"},
		"proof cut":      {eight, five, proof[1:], "does not lead"},
		"another proof":  {eight, five, three, "does not lead"},
		"edited":         {eight, five, edit(func(p tlog.TreeProof) { p[0][0] ^= 1 }), "does not lead"},
		"reordered":      {eight, five, edit(func(p tlog.TreeProof) { p[0], p[1] = p[1], p[0] }), "does not lead"},
		"rewritten":      {with(eight, func(c *Checkpoint) { c.Head[0] ^= 1 }), five, proof, "does not lead"},
		"forked at once": {with(five, func(c *Checkpoint) { c.Head[0] ^= 1 }), five, nil, "of others"},
		"too many":       {with(eight, func(c *Checkpoint) { c.Reveals = 5 }), five, proof, "more new reveals"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.later.Follows(c.earlier, c.proof)
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" && (!errors.Is(err, ErrInconsistent) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Each size of a log follows from each smaller one that is kept, whatever was pruned.
func TestProofsOfAllSizes(t *testing.T) {
	for _, pruned := range []uint64{0, 1, 5, 8, 13} {
		const n = 21
		l := &Log{config: Config{Store: &recordStore{}}, quit: make(chan struct{})}
		records := l.config.Store.(*recordStore)
		at := []chain{newChain(LogID{}, "edge-1")}
		for i := range uint64(n) {
			data := record{sequence: i + 1, action: Info, previous: at[i].last}.encode()
			records.all = append(records.all, data)
			at = append(at, at[i].extend(Info, data, nil))
		}
		records.pruned = pruned
		for to := pruned; to <= n; to++ {
			s := &state{chain: at[n], published: &Checkpoint{Entries: to, Head: at[to].head()}}
			if pruned > 0 {
				s.base = &at[pruned]
			}
			l.current.Store(s)
			l.subtrees = nil
			for from := range to + 1 {
				_, proof, err := l.Proof(from)
				if from < pruned && from > 0 && from < to {
					if !errors.Is(err, ErrPruned) {
						t.Errorf("%d pruned, from %d to %d: %v", pruned, from, to, err)
					}
					continue
				}
				if err == nil {
					err = s.published.Follows(Checkpoint{Entries: from, Head: at[from].head()}, proof)
				}
				if err != nil {
					t.Errorf("%d pruned, from %d to %d: %v", pruned, from, to, err)
				}
			}
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	_, c := sampleLog(f, logPath(f))
	f.Add([]byte(c.Note))
	f.Add([]byte("wikiveil.audit/a/\n"))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCheckpoint(data)
		if err != nil {
			return
		}
		if err := c.Verify(make([]byte, 32)); err == nil {
			t.Error("anything verifies")
		}
		if back, err := ParseCheckpoint([]byte(c.Note)); err != nil || back != c {
			t.Errorf("%q reads back as %+v, %v", c.Note, back, err)
		}
	})
}
