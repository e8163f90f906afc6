package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/wikiveil/wikiveil/internal/openbolt"
)

const (
	auditLog = "audit.db"
	// maxSmall is the most that a file has that isn't a database.
	maxSmall = 16 << 20
	// StagePrefix and AsidePrefix begin the names of directories that restoring makes in a data_dir.
	StagePrefix = "restoring-"
	AsidePrefix = "replaced-"
	// keyRoot is where all of Wikiveil's is in a storage.
	keyRoot = "wikiveil"
)

// isData reports whether a name, relative to the data_dir and with slashes, is that of a file that belongs to a backup. By
// default the data_dir is a directory of Caddy's storage too, and what is there must not get among these files.
func isData(name string) bool {
	switch name {
	case auditLog, "quotas.db", "node_id", "keyring-known.json":
		return true
	}
	dir, base := path.Split(name)
	switch dir {
	case "sightings/":
		return isPlain(name) && strings.HasSuffix(base, ".sightings")
	case "csp-reports/":
		return isPlain(name) && strings.HasSuffix(base, ".db")
	}
	return false
}

func isBolt(name string) bool {
	return strings.HasSuffix(name, ".db") || strings.HasSuffix(name, ".sightings")
}

// IsKey reports whether a key of the storage is one that belongs to a backup: not, where the data_dir is in the storage, a
// file of that.
func IsKey(key string) bool {
	name, ok := strings.CutPrefix(key, keyRoot+"/")
	if !ok || !isPlain(key) || isData(name) {
		return false
	}
	dir, _, _ := strings.Cut(name, "/")
	switch dir {
	case "sightings", "csp-reports", "mirrors":
		return false
	}
	if strings.HasPrefix(dir, StagePrefix) || strings.HasPrefix(dir, AsidePrefix) {
		return false
	}
	ext := path.Ext(name)
	return ext == ".json" || ext == ".jsonl" || ext == ".checkpoint" // others are half-written ones of a storage of files
}

// IsEarlyKey reports whether a value of the storage must be read before the data_dir is copied: an audit log may
// be ahead of its head and its checkpoint, never behind. All others must be read after it, as the data_dir may
// not know of an epoch that the key ring lacks.
func IsEarlyKey(key string) bool {
	return strings.HasPrefix(key, keyRoot+"/audit_heads/") || strings.HasPrefix(key, keyRoot+"/audit_checkpoints/")
}

// DataFiles lists the files of a data_dir that belong to a backup, the audit log last.
func DataFiles(dir string) (names []string, err error) {
	hasLog := false
	for _, sub := range []string{".", "csp-reports", "sightings"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			name := path.Join(sub, e.Name())
			if name == auditLog {
				hasLog = true
			} else if isData(name) {
				names = append(names, name)
			}
		}
	}
	if hasLog {
		names = append(names, auditLog)
	}
	return names, nil
}

// WriteData adds the files of a data_dir to an archive, each as its last commit left it.
//
// Errors: [openbolt.ErrInUse], those of w and of the file system.
func WriteData(dir string, w *Writer) error {
	names, err := DataFiles(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if isBolt(name) {
			err = addBolt(dir, file, name, w)
		} else {
			err = addSmall(file, name, w)
		}
		if err != nil {
			return fmt.Errorf("backing up %s: %w", file, err)
		}
	}
	return nil
}

// isGone reports whether a file has been deleted since it was listed, as expired ones are.
func isGone(file string) bool {
	_, err := os.Lstat(file)
	return errors.Is(err, fs.ErrNotExist)
}

func addSmall(file, name string, w *Writer) error {
	data, err := readSmall(file)
	if err != nil && isGone(file) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.Add(dataPrefix+name, int64(len(data)), bytes.NewReader(data), "")
}

func readSmall(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = fmt.Errorf("it has more than %d bytes", maxSmall)
	}
	return data, err
}

// addBolt copies a database to a file beside it first: while a slow reader of the archive took its time, a transaction
// would be in the way of writers.
func addBolt(dir, file, name string, w *Writer) error {
	temp, err := os.CreateTemp(dir, "backup-*.tmp")
	if err != nil {
		return err
	}
	defer temp.Close()
	defer os.Remove(temp.Name())
	os.Remove(temp.Name()) // now where that can be, so that nothing remains after a crash
	damaged := ""
	if err = openbolt.Copy(file, temp); errors.Is(err, openbolt.ErrDamaged) {
		damaged = err.Error()
		err = copyAsIs(file, temp)
	}
	if err != nil && isGone(file) {
		return nil
	}
	if err != nil {
		return err
	}
	size, err := temp.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	return w.Add(dataPrefix+name, size, io.NewSectionReader(temp, 0, size), damaged)
}

// copyAsIs copies a damaged file; one that is no file at all leaves an empty one.
func copyAsIs(file string, to *os.File) error {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := to.Truncate(0); err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return err
}
