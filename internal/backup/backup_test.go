package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/wikiveil/wikiveil/internal/openbolt"
)

const key = "wikiveil/keyring.json"

// archive is a whole backup.
func archive(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	err := errors.Join(w.AddValue(key, []byte("{}")), w.Add("data/node_id", 2, strings.NewReader("n1"), ""), w.Close())
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestStageAndPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s, err := Stage(bytes.NewReader(archive(t)), dir)
	if err != nil {
		t.Fatal(err)
	}
	if string(s.Values[key]) != "{}" || len(s.Values) != 1 {
		t.Errorf("%q", s.Values)
	}
	if err := s.Place(); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "node_id")); err != nil || string(data) != "n1" {
		t.Errorf("%q %v", data, err)
	}
	if err := s.Place(); err == nil {
		t.Error("placed twice")
	}
	if s, err = Stage(bytes.NewReader(archive(t)), dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Place(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto what is there: %v", err)
	}
	if err := errors.Join(s.Close(), MoveAside(dir, AsidePrefix+"1")); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, AsidePrefix+"1", "node_id")); err != nil || string(data) != "n1" {
		t.Errorf("%q %v", data, err)
	}
	if names, err := DataFiles(dir); err != nil || len(names) != 0 {
		t.Errorf("%v %v", names, err)
	}
}

// What isn't a whole backup puts nothing anywhere: what leads out of the directory, what isn't Wikiveil's, what was
// changed or cut.
func TestRefusedArchives(t *testing.T) {
	whole := archive(t)
	file := func(header tar.Header, content string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		header.Size = int64(len(content))
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
		w.Close()
		return b.Bytes()
	}
	cases := map[string]struct {
		archive []byte
		want    error
	}{
		"changed":      {bytes.Replace(whole, []byte("n1"), []byte("n2"), 1), ErrFormat},
		"not one":      {[]byte(strings.Repeat("x", 2048)), ErrFormat},
		"empty":        {nil, ErrIncomplete},
		"a link":       {file(tar.Header{Typeflag: tar.TypeSymlink, Name: "data/node_id", Linkname: "/etc/passwd"}, ""), ErrFormat},
		"no file":      {file(tar.Header{Typeflag: tar.TypeDir, Name: "data/"}, ""), ErrFormat},
		"other format": {file(tar.Header{Name: manifestName}, `{"format":"wikiveil-backup/2"}`), ErrFormat},
		"no manifest":  {file(tar.Header{Name: manifestName}, `[`), ErrFormat},
	}
	for _, name := range []string{"../x", "/etc/x", "data/../../x", "data/sightings/../../x.sightings", "data/sightings/a/b.sightings",
		`data/csp-reports/..\x.db`, "data/csp-reports/C:x.db", "data/x", "data/./node_id", "data//node_id", "data/mirrors/x", "storage/wikiveil/../x.json",
		"storage/acme/x.json", "storage/wikiveil", "storage/wikiveil/audit.db", "storage/wikiveil/keyring-known.json", "x", ""} {
		cases[name] = struct {
			archive []byte
			want    error
		}{file(tar.Header{Name: name}, "x"), ErrFormat}
	}
	for name, c := range cases {
		dir := t.TempDir()
		_, err := Stage(bytes.NewReader(c.archive), dir)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
	}
	for n := range len(whole) - 1024 { // but for the two empty blocks at its end
		if _, err := Verify(bytes.NewReader(whole[:n])); err == nil && n < manifestEnd(whole) {
			t.Fatalf("cut to %d of %d bytes it is accepted", n, len(whole))
		}
	}
}

// manifestEnd is where the manifest's last byte is.
func manifestEnd(whole []byte) int { return bytes.LastIndexByte(whole, '}') + 1 }

func TestFaultAndTwice(t *testing.T) {
	var b bytes.Buffer
	if err := NewWriter(&b).Fail(errors.New("the disk is full")); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(&b); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "the disk is full") {
		t.Error(err)
	}
	b.Reset()
	w := NewWriter(&b)
	if err := errors.Join(w.AddValue(key, nil), w.AddValue(key, nil), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(&b); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

// A damaged database is in the backup as it is, and said to be damaged; nothing that isn't the edge's is in it.
func TestWriteData(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"quotas.db": "not of bbolt's format", "node_id": "n1", "keyring.json": "secret", "mirrors/x": "x",
		"sightings/x.sightings.new": "x", "sightings/y.txt": "y"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	db, err := bbolt.Open(filepath.Join(dir, auditLog), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	remove := openbolt.Add(filepath.Join(dir, auditLog), func(to *os.File) error {
		return db.View(func(tx *bbolt.Tx) error { return openbolt.WriteTx(tx, to) })
	})
	defer db.Close()
	defer remove()
	var b bytes.Buffer
	w := NewWriter(&b)
	if err := errors.Join(WriteData(dir, w), w.Close()); err != nil {
		t.Fatal(err)
	}
	m, err := Verify(&b)
	if err != nil {
		t.Fatal(err)
	}
	var names, damaged []string
	for _, f := range m.Files {
		names = append(names, f.Name)
		if f.Damaged != "" {
			damaged = append(damaged, f.Name)
		}
	}
	if want := []string{"data/node_id", "data/quotas.db", "data/audit.db"}; !slices.Equal(names, want) || !slices.Equal(damaged, []string{"data/quotas.db"}) {
		t.Errorf("%v, damaged %v", names, damaged)
	}
	remove()
	if err := WriteData(dir, NewWriter(io.Discard)); !errors.Is(err, openbolt.ErrInUse) {
		t.Errorf("of another process: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(archive(f))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		inner := filepath.Join(dir, "inner")
		s, err := Stage(bytes.NewReader(data), inner)
		if err == nil {
			err = errors.Join(s.Place(), s.Close())
		}
		if all, _ := os.ReadDir(dir); len(all) > 1 {
			t.Errorf("it wrote outside: %v", all)
		}
		if all, _ := os.ReadDir(inner); err != nil && len(all) > 0 {
			t.Errorf("it left %v", all)
		}
	})
}
