package mirror

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"
)

// A kept file begins with a line, the SHA-256 in hex of what the service said of it
// and that as JSON, and goes on with the content. It is named by a hash of its key.
const maxHead = 64 << 10

const (
	temporary = "new-"
	tempLife  = time.Hour           // longer than any fetch
	fileLife  = 90 * 24 * time.Hour // of a file that nobody uses
)

var (
	errDamaged = errors.New("the file is damaged")
	fileName   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (k Key) name() string {
	sum := sha256.Sum256([]byte(k.URL + "\x00" + k.Integrity))
	return hex.EncodeToString(sum[:])
}

// open opens the directory; nil where there is none. It is made for writing.
func (s *Store) directory(writing bool) (*os.Root, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, errClosed
	case s.cfg.Dir == "" || s.root != nil:
		return s.root, nil
	}
	if writing {
		if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the mirror's directory: %w", err)
		}
	}
	root, err := os.OpenRoot(s.cfg.Dir)
	if errors.Is(err, fs.ErrNotExist) && !writing {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the mirror's directory: %w", err)
	}
	s.root = root
	return root, nil
}

// load reads a kept file and checks it; nil if there is none. A damaged one is removed.
func (s *Store) load(e *Entry) *File {
	root, err := s.directory(false)
	if err != nil || root == nil {
		return nil
	}
	name := e.key.name()
	kept, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer kept.Close()
	file, err := s.read(e, kept)
	if err != nil {
		_ = root.Remove(name)
		return nil
	}
	now := time.Now()
	_ = root.Chtimes(name, now, now) // it is in use
	return file
}

// read checks a kept file, and takes it into memory if there is room.
func (s *Store) read(e *Entry, kept *os.File) (*File, error) {
	info, err := kept.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errDamaged
	}
	reader := bufio.NewReaderSize(kept, maxHead)
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return nil, errDamaged
	}
	file := &File{entry: e, offset: int64(len(line)), size: info.Size() - int64(len(line))}
	if file.Meta, err = decodeHead(line); err != nil {
		return nil, err
	}
	sum, want, err := newHash(e.key.Integrity)
	if err != nil {
		return nil, err
	}
	if s.reserve(file.size) {
		file.body = make([]byte, file.size)
		_, err = io.ReadFull(reader, file.body)
		sum.Write(file.body)
	} else {
		_, err = io.CopyN(sum, reader, file.size)
	}
	if err != nil || !bytes.Equal(sum.Sum(nil), want) {
		s.unreserve(int64(len(file.body)))
		return nil, errDamaged
	}
	return file, nil
}

// fetch gets a file from its service. Nothing is kept of one that isn't the pinned one.
func (s *Store) fetch(ctx context.Context, e *Entry, fetch Fetch) (*File, error) {
	root, err := s.directory(true)
	if err != nil {
		return nil, err
	}
	sum, want, err := newHash(e.key.Integrity)
	if err != nil {
		return nil, err
	}
	res, err := fetch(ctx)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	content := &hashed{Reader: res.Body, hash: sum}
	if root == nil {
		return s.fetchToMemory(e, res, content, want)
	}
	s.tidy(root)
	temp := temporary + rand.Text()
	if err = writeFile(root, temp, res.Meta, content); err == nil {
		err = content.check(e.key, want)
	}
	if err == nil {
		err = root.Rename(temp, e.key.name())
	}
	if err != nil {
		_ = root.Remove(temp)
		return nil, err
	}
	file := s.load(e)
	if file == nil {
		return nil, errors.New("the file can't be read again")
	}
	return file, nil
}

func (s *Store) fetchToMemory(e *Entry, res *Response, content *hashed, want []byte) (*File, error) {
	body, err := io.ReadAll(io.LimitReader(content, s.room()+1))
	if err != nil {
		return nil, err
	}
	if !s.reserve(int64(len(body))) {
		return nil, errors.New("there is no room in memory: give the mirror a directory")
	}
	if err := content.check(e.key, want); err != nil {
		s.unreserve(int64(len(body)))
		return nil, err
	}
	return &File{Meta: res.Meta, entry: e, size: int64(len(body)), body: body}, nil
}

// writeFile writes a file and has it on the disk when it returns.
func writeFile(root *os.Root, name string, meta Meta, content io.Reader) (err error) {
	head, err := encodeHead(meta)
	if err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keeping the file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(head); err != nil {
		return fmt.Errorf("keeping the file: %w", err)
	}
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	return f.Sync()
}

// open opens a kept file's content.
func (s *Store) open(f *File) (io.ReadSeekCloser, error) {
	root, err := s.directory(false)
	if err != nil || root == nil {
		return nil, errors.Join(errDamaged, err)
	}
	kept, err := root.Open(f.entry.key.name())
	if err != nil {
		return nil, err
	}
	if info, err := kept.Stat(); err != nil || info.Size() != f.offset+f.size {
		kept.Close()
		return nil, errDamaged
	}
	return section{io.NewSectionReader(kept, f.offset, f.size), kept}, nil
}

// tidy removes, once, what crashes and former declarations have left behind.
func (s *Store) tidy(root *os.Root) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tidied {
		return
	}
	s.tidied = true
	used := make(map[string]bool)
	for key := range s.entries {
		used[key.name()] = true
	}
	entries, _ := fs.ReadDir(root.FS(), ".")
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !entry.Type().IsRegular() {
			continue
		}
		age := time.Since(info.ModTime())
		if strings.HasPrefix(entry.Name(), temporary) && age > tempLife ||
			fileName.MatchString(entry.Name()) && age > fileLife && !used[entry.Name()] {
			_ = root.Remove(entry.Name())
		}
	}
}

// hashed is a content that is hashed as it is read.
type hashed struct {
	io.Reader
	hash hash.Hash
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.hash.Write(p[:n])
	return n, err
}

func (h *hashed) check(key Key, want []byte) error {
	if got := h.hash.Sum(nil); !bytes.Equal(got, want) {
		return &MismatchError{integrityOf(key.Integrity, got)}
	}
	return nil
}

func encodeHead(meta Meta) ([]byte, error) {
	form, err := json.Marshal(meta)
	if err != nil || len(form) > maxHead/2 {
		return nil, errors.New("what the service says of the file is too long")
	}
	sum := sha256.Sum256(form)
	return []byte(hex.EncodeToString(sum[:]) + string(form) + "\n"), nil
}

func decodeHead(line []byte) (meta Meta, err error) {
	if len(line) < 2*sha256.Size+1 {
		return meta, errDamaged
	}
	form := line[2*sha256.Size : len(line)-1]
	if sum := sha256.Sum256(form); hex.EncodeToString(sum[:]) != string(line[:2*sha256.Size]) || json.Unmarshal(form, &meta) != nil {
		return meta, errDamaged
	}
	return meta, nil
}

type section struct {
	*io.SectionReader
	io.Closer
}

type memoryContent struct{ *bytes.Reader }

func (memoryContent) Close() error { return nil }

func inMemory(body []byte) io.ReadSeekCloser { return memoryContent{bytes.NewReader(body)} }
