// Package backup makes and reads backups: a tar file of an edge's own files and of what it keeps in Caddy's storage.
//
//	storage/KEY     a value of the storage
//	data/NAME       a file of the data_dir
//	manifest.json   the last one: what is in the archive, each with its SHA-256
//
// An archive without its manifest is not whole.
package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"time"
)

const (
	format       = "wikiveil-backup/1"
	manifestName = "manifest.json"
	maxManifest  = 64 << 20

	dataPrefix    = "data/"
	storagePrefix = "storage/"
)

// Errors that callers may test for.
var (
	ErrIncomplete = errors.New("the backup is not whole")
	ErrFormat     = errors.New("not a backup of wikiveil, or a damaged one")
)

// Manifest is what an archive says of itself.
type Manifest struct {
	Format string    `json:"format"`
	Made   time.Time `json:"made"`
	Files  []File    `json:"files"`
	// Fault is why there is no more in it.
	Fault string `json:"fault,omitempty"`
}

// File is a file of an archive.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Damaged says what is wrong with a file that is in the archive as it was found.
	Damaged string `json:"damaged,omitempty"`
}

// Writer writes an archive.
type Writer struct {
	tar      *tar.Writer
	manifest Manifest
}

// NewWriter returns a writer of an archive.
func NewWriter(w io.Writer) *Writer {
	return &Writer{tar.NewWriter(w), Manifest{Format: format, Made: time.Now().UTC().Truncate(time.Second)}}
}

// Add adds a file, of which content has so many bytes.
func (w *Writer) Add(name string, size int64, content io.Reader, damaged string) error {
	if err := checkName(name); err != nil {
		return err
	}
	sum := sha256.New()
	if err := w.write(name, size, io.TeeReader(content, sum)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	w.manifest.Files = append(w.manifest.Files, File{name, size, hex.EncodeToString(sum.Sum(nil)), damaged})
	return nil
}

// AddValue adds a value of the storage.
func (w *Writer) AddValue(key string, value []byte) error {
	return w.Add(storagePrefix+key, int64(len(value)), bytes.NewReader(value), "")
}

func (w *Writer) write(name string, size int64, content io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: w.manifest.Made}
	if err := w.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.CopyN(w.tar, content, size)
	return err
}

// Close ends the archive with its manifest.
func (w *Writer) Close() error {
	data, err := json.MarshalIndent(w.manifest, "", "\t")
	if err != nil {
		return err
	}
	return errors.Join(w.write(manifestName, int64(len(data)), bytes.NewReader(data)), w.tar.Close())
}

// Fail ends the archive where it can't go on, so that whoever reads it knows why.
func (w *Writer) Fail(err error) error {
	w.manifest.Fault = err.Error()
	return w.Close()
}

// Adopt takes over what another archive, whose files were added, says of damaged ones.
func (w *Writer) Adopt(from Manifest) {
	for _, f := range from.Files {
		for i := range w.manifest.Files {
			if w.manifest.Files[i].Name == f.Name {
				w.manifest.Files[i].Damaged = f.Damaged
			}
		}
	}
}

// Manifest returns what was written so far.
func (w *Writer) Manifest() Manifest { return w.manifest }

// Read reads an archive and has each take its files one by one, in their order. What each was given is only known to be
// right when Read has returned without an error.
//
// Errors: [ErrIncomplete], [ErrFormat], those of each and of r.
func Read(r io.Reader, each func(name string, size int64, content io.Reader) error) (Manifest, error) {
	archive := tar.NewReader(r)
	var found []File
	seen := make(map[string]bool)
	for {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return Manifest{}, fmt.Errorf("%w: its manifest is missing", ErrIncomplete)
		case errors.Is(err, tar.ErrHeader), errors.Is(err, tar.ErrFieldTooLong), errors.Is(err, tar.ErrInsecurePath):
			return Manifest{}, fmt.Errorf("%w: %w", ErrFormat, err)
		case err != nil:
			return Manifest{}, err
		case header.Typeflag != tar.TypeReg:
			return Manifest{}, fmt.Errorf("%w: %q is not a file", ErrFormat, header.Name)
		case header.Name == manifestName:
			return readManifest(archive, found)
		}
		name := header.Name
		if err := checkName(name); err != nil {
			return Manifest{}, err
		}
		if seen[name] {
			return Manifest{}, fmt.Errorf("%w: %q is in it twice", ErrFormat, name)
		}
		seen[name] = true
		sum := sha256.New()
		content := io.TeeReader(archive, sum)
		if err := each(name, header.Size, content); err != nil {
			return Manifest{}, fmt.Errorf("%s: %w", name, err)
		}
		if _, err := io.Copy(io.Discard, content); errors.Is(err, io.ErrUnexpectedEOF) {
			return Manifest{}, fmt.Errorf("%w: it ends in %s", ErrIncomplete, name)
		} else if err != nil {
			return Manifest{}, err
		}
		found = append(found, File{Name: name, Size: header.Size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
}

// readManifest compares the manifest with what was found before it.
func readManifest(r io.Reader, found []File) (Manifest, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return Manifest{}, fmt.Errorf("%w: it ends in its manifest", ErrIncomplete)
	}
	if err != nil {
		return Manifest{}, err
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil || len(data) > maxManifest {
		return Manifest{}, fmt.Errorf("%w: its manifest can't be read", ErrFormat)
	}
	switch {
	case m.Format != format:
		return Manifest{}, fmt.Errorf("%w: its format is %q, not %q", ErrFormat, m.Format, format)
	case m.Fault != "":
		return Manifest{}, fmt.Errorf("%w: %s", ErrIncomplete, m.Fault)
	case len(m.Files) != len(found):
		return Manifest{}, fmt.Errorf("%w: it has %d files, and its manifest lists %d", ErrFormat, len(found), len(m.Files))
	}
	for i, f := range found {
		if want := m.Files[i]; want.Name != f.Name || want.Size != f.Size || want.SHA256 != f.SHA256 {
			return Manifest{}, fmt.Errorf("%w: %q is not what its manifest says", ErrFormat, f.Name)
		}
	}
	return m, nil
}

// checkName refuses what no backup has: a path that leads elsewhere, or a file that isn't Wikiveil's.
func checkName(name string) error {
	if data, ok := strings.CutPrefix(name, dataPrefix); ok && isData(data) {
		return nil
	}
	if key, ok := strings.CutPrefix(name, storagePrefix); ok && IsKey(key) {
		return nil
	}
	return fmt.Errorf("%w: %q is no file of a backup", ErrFormat, name)
}

// isPlain reports whether a name leads to one place below a directory, on any system.
func isPlain(name string) bool {
	return path.Clean(name) == name && filepath.IsLocal(name) && !strings.ContainsAny(name, "\\:\x00")
}
