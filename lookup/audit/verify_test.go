package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// forger changes a log's file as somebody may who can write it but has no keys.
type forger struct {
	t     *testing.T
	state *bbolt.Bucket
	log   *bbolt.Bucket
}

func (f *forger) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *forger) get(n uint64) []byte       { return bytes.Clone(f.log.Get(sequenceKey(n))) }
func (f *forger) put(n uint64, data []byte) { f.ok(f.log.Put(sequenceKey(n), data)) }
func (f *forger) drop(n uint64)             { f.ok(f.log.Delete(sequenceKey(n))) }

func (f *forger) flip(n uint64, at int) {
	data := f.get(n)
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 1
	f.put(n, data)
}

// edit changes the state and signs it, as nobody can without the keys: what else holds is tried by it.
func (f *forger) edit(change func(*state)) {
	s, err := decodeState(f.state.Get(stateKey))
	f.ok(err)
	change(&s)
	f.ok(f.state.Put(stateKey, s.encode(testKeys(f.t, 1))))
}

// rechain computes the chain anew from an entry on, with the numbers made contiguous
// and each record changed.
func (f *forger) rechain(from uint64, change func(*record)) {
	var all []record
	cursor := f.log.Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
		r, err := decodeRecord(v)
		f.ok(err)
		r.sealed = bytes.Clone(r.sealed)
		all = append(all, r)
	}
	f.edit(func(s *state) {
		at := s.start()
		for k, _ := cursor.First(); k != nil; k, _ = cursor.First() {
			f.ok(f.log.Delete(bytes.Clone(k)))
		}
		for _, r := range all {
			r.previous = at.last
			if r.sequence >= from {
				change(&r)
			}
			r.sequence = at.entries + 1
			data := r.encode()
			f.put(r.sequence, data)
			at = at.extend(r.action, data, nil)
		}
		s.chain = at
	})
}

// forge opens the closed file with bbolt itself.
func forge(t *testing.T, path string, how func(*forger)) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		how(&forger{t, tx.Bucket(stateBucket), tx.Bucket(recordBucket)})
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// Where the parts of a record stand.
const (
	atVersion  = 0
	atSequence = 8
	atTime     = 16
	atAction   = 17
	atPrevious = 18
	atLength   = 51
	atNonce    = 52
	atContent  = 52 + 12
)

// Each row is one attack on a log of eight entries, and what is said of it by the chain
// alone, with the keys, and against the checkpoints of entries five and eight that were
// published. Empty: it is not seen.
func TestTampering(t *testing.T) {
	same := func(*record) {}
	for name, c := range map[string]struct {
		forge                     func(*forger)
		chain, keys, checkpointed string
	}{
		"untouched":       {func(*forger) {}, "", "", ""},
		"version flipped": {func(f *forger) { f.flip(4, atVersion) }, "entry 4: not of its form", "entry 4", "entry 4"},
		"sequence flipped": {func(f *forger) { f.flip(4, atSequence) },
			"entry 4: entry 5 stands in its place", "entry 4", "entry 4"},
		"time flipped": {func(f *forger) { f.flip(4, atTime) }, "entry 5: it does not continue",
			"entry 4: content does not decrypt", "entry 5"},
		"action made unknown": {func(f *forger) {
			data := f.get(4)
			data[atAction] = 99
			f.put(4, data)
		}, "entry 4: not of its form", "entry 4", "entry 4"},
		"reveal made info": {func(f *forger) {
			data := f.get(3)
			data[atAction] = byte(Info)
			f.put(3, data)
		}, "entry 4: it does not continue", "entry 3: content does not decrypt", "entry 4"},
		"previous flipped": {func(f *forger) { f.flip(4, atPrevious) },
			"entry 4: it does not continue", "entry 4", "entry 4"},
		"length flipped": {func(f *forger) { f.flip(4, atLength) }, "entry 4: not of its form", "entry 4", "entry 4"},
		"nonce flipped": {func(f *forger) { f.flip(4, atNonce) },
			"entry 5: it does not continue", "entry 4: content does not decrypt", "entry 5"},
		"content flipped": {func(f *forger) { f.flip(4, atContent) },
			"entry 5: it does not continue", "entry 4: content does not decrypt", "entry 5"},
		"tag flipped": {func(f *forger) { f.flip(4, -1) },
			"entry 5: it does not continue", "entry 4: content does not decrypt", "entry 5"},
		"last entry's content flipped": {func(f *forger) { f.flip(8, atContent) },
			"entry 8: the chain ends in another head", "entry 8", "entry 8"},
		"byte appended":  {func(f *forger) { f.put(4, append(f.get(4), 0)) }, "entry 4: not of its form", "entry 4", "entry 4"},
		"record emptied": {func(f *forger) { f.put(4, nil) }, "entry 4: not of its form", "entry 4", "entry 4"},

		"first dropped":  {func(f *forger) { f.drop(1) }, "entry 1: it is missing, 2 comes next", "entry 1", "entry 1"},
		"middle dropped": {func(f *forger) { f.drop(4) }, "entry 4: it is missing, 5 comes next", "entry 4", "entry 4"},
		"last dropped":   {func(f *forger) { f.drop(8) }, "entry 8: it and all to 8 are missing", "entry 8", "entry 8"},
		"all dropped": {func(f *forger) {
			for n := range uint64(8) {
				f.drop(n + 1)
			}
		}, "entry 1: it and all to 8 are missing", "entry 1", "entry 1"},
		"two swapped": {func(f *forger) {
			four, five := f.get(4), f.get(5)
			f.put(4, five)
			f.put(5, four)
		}, "entry 4: entry 5 stands in its place", "entry 4", "entry 4"},
		"entry replaced by a copy": {func(f *forger) { f.put(4, f.get(2)) },
			"entry 4: entry 2 stands in its place", "entry 4", "entry 4"},
		"copy appended": {func(f *forger) { f.put(9, f.get(8)) },
			"entry 9: entry 8 stands in its place", "entry 9", "entry 9"},
		"forged one appended": {func(f *forger) {
			r, err := decodeRecord(f.get(8))
			f.ok(err)
			f.edit(func(s *state) { r.sequence, r.previous = 9, s.last })
			f.put(9, r.encode())
		}, "entry 9: it was added from outside", "entry 9", "entry 9"},
		"entry zero": {func(f *forger) { f.put(0, f.get(1)) }, "entry 1: it is missing, 0 comes next", "entry 1", "entry 1"},
		"odd key":    {func(f *forger) { f.ok(f.log.Put([]byte("odd"), nil)) }, "a key that is no entry's", "a key", "a key"},

		"state changed": {func(f *forger) {
			data := bytes.Clone(f.state.Get(stateKey))
			data[60] ^= 1
			f.ok(f.state.Put(stateKey, data))
		}, "wrong signature of its state", "wrong signature of its state", "wrong signature of its state"},
		"state gone":      {func(f *forger) { f.ok(f.state.Delete(stateKey)) }, "wrong signature of its state", "wrong signature of its state", "wrong signature of its state"},
		"count lowered":   {func(f *forger) { f.edit(func(s *state) { s.entries, s.edge = 4, s.edge[:1] }) }, "entry 5: it was added", "entry 5", "entry 5"},
		"reveals lowered": {func(f *forger) { f.edit(func(s *state) { s.reveals-- }) }, "count of reveals", "count of reveals", "count of reveals"},
		"head changed":    {func(f *forger) { f.edit(func(s *state) { s.edge[0][0] ^= 1 }) }, "another head", "another head", "another head"},
		"another log's id": {func(f *forger) { f.edit(func(s *state) { s.id.log[0] ^= 1; s.published = nil }) },
			"entry 1: it does not continue", "entry 1", "the checkpoint is of log"},
		"another node's name": {func(f *forger) { f.edit(func(s *state) { s.id.node = "edge-9"; s.published = nil }) },
			"entry 1: it does not continue", "entry 1", "the checkpoint is of log"},
		"another log's checkpoint": {func(f *forger) {
			f.edit(func(s *state) { s.published.Log[0] ^= 1; *s.published = s.published.signed(testKeys(t, 1)) })
		},
			"a checkpoint that is not its own", "not its own", "not its own"},
		"another public key": {func(f *forger) {
			s, err := decodeState(f.state.Get(stateKey))
			f.ok(err)
			s.public, s.published = testKeys(f.t, 2).Public(), nil
			f.ok(f.state.Put(stateKey, s.encode(testKeys(f.t, 2))))
		}, "", ErrWrongKeys.Error(), ErrWrongKeys.Error()},

		// From here on the forger computes the chain anew.
		"tail cut and state mended": {func(f *forger) {
			f.drop(7)
			f.drop(8)
			f.rechain(9, same)
		}, "", "", "entry 7: it and all to 8 are missing, which the checkpoint counts"},
		"all cut and state mended": {func(f *forger) {
			f.edit(func(s *state) { s.published = nil })
			for n := range uint64(8) {
				f.drop(n + 1)
			}
			f.rechain(9, same)
		}, "", "", "entry 1: it and all to 8 are missing, which the checkpoint counts"},
		"middle dropped and rechained": {func(f *forger) {
			f.edit(func(s *state) { s.published = nil })
			f.drop(4)
			f.rechain(4, same)
		}, "", "entry 4: content does not decrypt", "entry 5: up to here the log is not that of the checkpoint"},
		"time edited and rechained": {func(f *forger) { f.rechain(6, func(r *record) { r.time = r.time.Add(-time.Hour) }) },
			"", "entry 6: content does not decrypt", "entry 8: up to here"},
		"reveal made info and rechained": {func(f *forger) {
			f.rechain(7, func(r *record) { r.action = Info })
		}, "", "entry 7: content does not decrypt", "entry 8: up to here"},
		"order changed and rechained": {func(f *forger) {
			f.edit(func(s *state) { s.published = nil })
			four, five := f.get(4), f.get(5)
			f.put(4, five)
			f.put(5, four)
			f.rechain(4, same)
		}, "", "entry 4: content does not decrypt", "entry 5: up to here"},
		"forged one appended and counted": {func(f *forger) {
			f.put(9, f.get(8))
			f.rechain(9, same)
		}, "", "entry 9: content does not decrypt", ""}, // it is after what was published
		"front cut, and the state not signed by the log": {func(f *forger) {
			signature := bytes.Clone(f.state.Get(stateKey)[len(f.state.Get(stateKey))-ed25519.SignatureSize:])
			cutFront(f)
			data := f.state.Get(stateKey)
			f.ok(f.state.Put(stateKey, append(bytes.Clone(data[:len(data)-len(signature)]), signature...)))
		}, "wrong signature of its state", "wrong signature of its state", "wrong signature of its state"},
		"front cut to another tree": {func(f *forger) {
			cutFront(f)
			f.edit(func(s *state) { s.base.edge[0][0] ^= 1 })
		}, "another head", "another head", "entry 5: up to here"},
		"published one edited": {func(f *forger) {
			f.edit(func(s *state) { s.published.Note = strings.Replace(s.published.Note, "reveals 1", "reveals 0", 1) })
		},
			"the checkpoint published last has a wrong signature", "published last", "published last"},
		"tail cut before what was published": {func(f *forger) {
			for n := range uint64(4) {
				f.drop(5 + n)
			}
			f.rechain(9, same)
		}, "entry 5: it is missing, which the checkpoint published last counts", "entry 5", "entry 5"},
		"middle dropped before what was published": {func(f *forger) {
			f.drop(4)
			f.rechain(4, same)
		}, "entry 5: up to here the log is not that of the checkpoint", "entry 4: content", "entry 5: up to here"},
	} {
		t.Run(name, func(t *testing.T) {
			path := logPath(t)
			five, eight := publishedLog(t, path)
			forge(t, path, c.forge)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			keys := testKeys(t, 1)
			verify(t, path, "the chain alone", VerifyOptions{}, c.chain)
			verify(t, path, "with the keys", VerifyOptions{Keys: keys}, c.keys)
			verify(t, path, "against checkpoints", VerifyOptions{PublicKey: keys.Public(), Checkpoints: []Checkpoint{eight, five}}, c.checkpointed)

			// What the chain alone shows is refused at opening, and the file stays as it is.
			if c.chain == "" {
				return
			}
			opened, err := openAt(path, keys)
			if err == nil {
				mustClose(t, opened)
				t.Error("it was opened")
			} else if !errors.Is(err, ErrTampered) && !errors.Is(err, ErrDamaged) && !strings.Contains(err.Error(), "edge-9") {
				t.Errorf("opening it: %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("opening changed the file, %v", err)
			}
		})
	}
}

// publishedLog is sampleLog with the fifth entry's checkpoint published.
func publishedLog(t *testing.T, path string) (five, eight Checkpoint) {
	t.Helper()
	five, eight = sampleLog(t, path)
	forge(t, path, func(f *forger) { f.edit(func(s *state) { s.published = &five }) })
	return five, eight
}

// cutFront drops what comes before entry six and puts a base in its place.
func cutFront(f *forger) {
	f.edit(func(s *state) {
		at := s.start()
		for n := uint64(1); n <= 5; n++ {
			r, err := decodeRecord(f.get(n))
			f.ok(err)
			at = at.extend(r.action, f.get(n), nil)
			f.drop(n)
		}
		s.base = &at
	})
}

// Of the checkpoints that somebody has saved those count that the log can continue; one without any is no proof.
func TestWhichCheckpointsAreFollowed(t *testing.T) {
	path := logPath(t)
	five, eight := publishedLog(t, path)
	keys := testKeys(t, 1)
	signed := func(change func(*Checkpoint)) Checkpoint {
		c := eight
		change(&c)
		return c.signed(keys)
	}
	other := signed(func(c *Checkpoint) { c.Node = "edge-2"; c.Log[0] ^= 1 })
	for name, tt := range map[string]struct {
		given  []Checkpoint
		others int
		want   error
	}{
		"one of another node":       {[]Checkpoint{other, five, eight}, 1, nil},
		"those of another node":     {[]Checkpoint{other, other}, 0, ErrNoneFollowed},
		"another log of the node":   {[]Checkpoint{five, signed(func(c *Checkpoint) { c.Log[0] ^= 1 })}, 0, ErrTampered},
		"this log by another name":  {[]Checkpoint{five, signed(func(c *Checkpoint) { c.Node = "edge-2" })}, 0, ErrTampered},
		"one that nobody's key has": {[]Checkpoint{five, other.signed(testKeys(t, 2))}, 0, ErrSignature},
	} {
		report, err := verifyAt(t, path, VerifyOptions{Keys: keys, Checkpoints: tt.given})
		if !errors.Is(err, tt.want) || err == nil && (report.OtherNodes != tt.others || report.Followed != len(tt.given)-tt.others) {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
		if report.Node != "edge-1" || report.Log != eight.Log {
			t.Errorf("%s: whose it is, %+v", name, report)
		}
	}

	// None that can be followed keeps no damage from being told.
	damaged := logPath(t)
	_, _ = publishedLog(t, damaged)
	forge(t, damaged, func(f *forger) { f.drop(3) })
	if _, err := verifyAt(t, damaged, VerifyOptions{Keys: keys, Checkpoints: []Checkpoint{other}}); !errors.Is(err, ErrTampered) {
		t.Errorf("an entry is missing, and no checkpoint can be followed: %v", err)
	}

	// The head in the storage isn't one of them: the log must continue it.
	for want, head := range map[string]Checkpoint{
		"that of node edge-2": other, "no longer kept": signed(func(c *Checkpoint) { c.Entries, c.Reveals = 3, 1 }),
	} {
		forge(t, path, func(f *forger) {
			if want == "no longer kept" {
				cutFront(f)
			}
		})
		if err := headsOf(path).Store(t.Context(), head); err != nil {
			t.Fatal(err)
		}
		if _, err := verifyAt(t, path, VerifyOptions{Keys: keys, Heads: headsOf(path)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a head %s: %v", want, err)
		}
	}
}

func verifyAt(t *testing.T, path string, o VerifyOptions) (Report, error) {
	t.Helper()
	store, err := OpenBoltReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, store)
	return Verify(store, o)
}

func verify(t *testing.T, path, how string, o VerifyOptions, want string) {
	t.Helper()
	report, err := verifyAt(t, path, o)
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", how, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: %v, want %q", how, err, want)
	case want == "" && report.Followed != len(o.Checkpoints):
		t.Errorf("%s: %d checkpoints compared of %d", how, report.Followed, len(o.Checkpoints))
	}
}

// Whoever puts back both file and head is seen by those alone who hold a checkpoint from between.
func TestOlderCopyIsSeen(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	mustAppend(t, l, reveal("1", 1))
	mustClose(t, l)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	oldHead, err := headsOf(path).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, path)
	mustAppend(t, l, reveal("1", 2))
	published := l.Checkpoint()
	mustClose(t, l)
	if err := errors.Join(os.WriteFile(path, old, 0o600), headsOf(path).Store(t.Context(), oldHead)); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, path)
	defer mustClose(t, l)
	if _, err := l.Verify(); err != nil {
		t.Errorf("an old copy is good in itself, got %v", err)
	}
	if _, err := l.Verify(published); !errors.Is(err, ErrTampered) || !strings.Contains(err.Error(), "entry 2") {
		t.Errorf("got %v, want entry 2 missing", err)
	}
	// Written on, it has as many entries again, and others.
	mustAppend(t, l, reveal("1", 3))
	if _, err := l.Verify(published); !errors.Is(err, ErrTampered) || !strings.Contains(err.Error(), "up to here") {
		t.Errorf("got %v, want another history", err)
	}
}

func TestVerifyNamesCheckpointsOfOthers(t *testing.T) {
	path := logPath(t)
	five, eight := sampleLog(t, path)
	_, other := sampleLog(t, logPath(t))
	forged := eight
	forged.Reveals = 0
	for name, c := range map[string]struct {
		options VerifyOptions
		want    error
	}{
		"own":                 {VerifyOptions{Checkpoints: []Checkpoint{five, eight, five}}, nil},
		"another log's":       {VerifyOptions{Checkpoints: []Checkpoint{other}}, ErrTampered},
		"forged":              {VerifyOptions{Checkpoints: []Checkpoint{forged}}, ErrSignature},
		"another public key":  {VerifyOptions{PublicKey: testKeys(t, 2).Public()}, ErrWrongKeys},
		"keys of another":     {VerifyOptions{Keys: testKeys(t, 2)}, ErrWrongKeys},
		"keys and key differ": {VerifyOptions{Keys: testKeys(t, 1), PublicKey: testKeys(t, 2).Public()}, ErrWrongKeys},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := OpenBoltReadOnly(path)
			if err != nil {
				t.Fatal(err)
			}
			defer mustClose(t, store)
			report, err := Verify(store, c.options)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err == nil && (report.Entries != 8 || report.Reveals != 2 || report.From.IsZero() || report.To.Before(report.From)) {
				t.Errorf("report %+v", report)
			}
		})
	}
}

// Whatever byte of the file is flipped, the log is refused or is the same as before.
func TestNoByteOfTheFileChangesTheLog(t *testing.T) {
	path := logPath(t)
	_, eight := sampleLog(t, path)
	keys := testKeys(t, 1)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	used := 24 * os.Getpagesize() // beyond it there is room made in advance
	data := make([]byte, used)
	if _, err := file.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	damaged, tampered, same := 0, 0, 0
	for at := 0; at < used; at += 23 {
		bad := []byte{data[at] ^ byte(1<<(at%8))}
		if _, err := file.WriteAt(bad, int64(at)); err != nil {
			t.Fatal(err)
		}
		store, err := OpenBoltReadOnly(path)
		if err == nil {
			_, err = Verify(store, VerifyOptions{Keys: keys, Checkpoints: []Checkpoint{eight}})
			mustClose(t, store)
		}
		switch {
		case err == nil:
			same++
		case errors.Is(err, ErrTampered):
			tampered++
		case errors.Is(err, ErrDamaged):
			damaged++
		default:
			t.Fatalf("byte %d: %v", at, err)
		}
		if _, err := file.WriteAt(data[at:at+1], int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("damaged %d, tampered %d, free space %d", damaged, tampered, same)
	if damaged == 0 || tampered == 0 || same == 0 {
		t.Error("a kind of byte was not tried")
	}
}

func TestDamagedFileIsRefusedWithWhatToDo(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"cut":     func(path string) error { return os.Truncate(path, int64(3*os.Getpagesize())) },
		"garbage": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("garbage "), 4096), 0o600) },
		"not an audit log": func(path string) error {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			err = db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket(recordBucket) })
			return errors.Join(err, db.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := logPath(t)
			sampleLog(t, path)
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err = openAt(path, testKeys(t, 1))
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "restore "+path+" from a backup") {
					t.Errorf("got %v, want %v with what to do", err, ErrDamaged)
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
}

func TestInUse(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	defer mustClose(t, l)
	if _, err := OpenBoltReadOnly(path); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want %v", err, ErrInUse)
	}
}

// Anybody can sign a state that names a key of their own, so what the decoder lets through matters.
func FuzzDecodeState(f *testing.F) {
	keys := testKeys(f, 1)
	id := newState("edge-1", keys.Public())
	f.Add(id.encode(keys))
	base := id.extend(Info, []byte("1"), nil).extend(Reveal, []byte("2"), nil).extend(Info, []byte("3"), nil)
	c := id.checkpoint(base).signed(keys)
	id.base, id.published = &base, &c
	f.Add(id.encode(keys))
	f.Add([]byte(nil))
	f.Add(make([]byte, 300))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, signedState(data, keys)} {
			if s, err := decodeState(data); err == nil && !bytes.Equal(s.encode(keys), data) {
				t.Errorf("%x encodes again to %x", data, s.encode(keys))
			}
		}
	})
}

func signedState(data []byte, keys *Keys) []byte {
	body := data[:max(0, len(data)-ed25519.SignatureSize)]
	return append(bytes.Clone(body), ed25519.Sign(keys.sign, append([]byte(tagState), body...))...)
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(record{sequence: 1, time: time.UnixMilli(0), action: Info, sealed: []byte("sealed")}.encode())
	f.Add(record{sequence: 1 << 60, time: time.UnixMilli(-1), action: Read}.encode())
	f.Add([]byte{version})
	f.Add(binary.BigEndian.AppendUint64([]byte{version}, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := decodeRecord(data); err == nil && !bytes.Equal(r.encode(), data) {
			t.Errorf("%x encodes again to %x", data, r.encode())
		}
	})
}

func FuzzDecodeContent(f *testing.F) {
	f.Add(encodeContent(info("1", 1)), byte(Info))
	f.Add(encodeContent(reveal("performer", 2)), byte(Reveal))
	f.Add(encodeContent(Entry{Performer: "x"}), byte(Read))
	f.Add(make([]byte, 128), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, action byte) {
		e := Entry{Action: Action(action)}
		if err := decodeContent(data, &e); err == nil && !bytes.Equal(encodeContent(e), data) {
			t.Errorf("%x encodes again to %x", data, encodeContent(e))
		}
	})
}
