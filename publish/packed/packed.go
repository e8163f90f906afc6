// Package packed reads and writes files that are compressed by gzip, bzip2, zstd or xz, or not at all.
package packed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/cosnicolaou/pbzip2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Format is a way to compress a file.
type Format string

// The formats.
const (
	None  Format = ""
	Gzip  Format = "gzip"
	Bzip2 Format = "bzip2"
	Zstd  Format = "zstd"
	XZ    Format = "xz"
)

// maxWindow is how far back zstd may refer, in bytes: what `zstd --long` makes by default.
const maxWindow = 128 << 20

var kinds = []struct {
	format Format
	ending string
	magic  string
}{
	{Gzip, ".gz", "\x1f\x8b"}, {Bzip2, ".bz2", "BZh"}, {Zstd, ".zst", "\x28\xb5\x2f\xfd"}, {XZ, ".xz", "\xfd7zXZ\x00"},
}

// Of returns the format that a file's name says.
func Of(name string) Format {
	for _, k := range kinds {
		if strings.HasSuffix(name, k.ending) {
			return k.format
		}
	}
	return None
}

// NewReader reads what is in a file, whose first bytes tell its format. Damaged and truncated files are errors.
func NewReader(in io.Reader) (io.ReadCloser, Format, error) {
	buffered := bufio.NewReaderSize(in, 1<<20)
	start, err := buffered.Peek(6)
	if err != nil && err != io.EOF {
		return nil, None, err
	}
	format := None
	for _, k := range kinds {
		if bytes.HasPrefix(start, []byte(k.magic)) {
			format = k.format
		}
	}
	r, err := newReader(buffered, format)
	if err != nil {
		return nil, format, fmt.Errorf("reading %s: %w", format, err)
	}
	return r, format, nil
}

func newReader(in io.Reader, format Format) (io.ReadCloser, error) {
	switch format {
	case Gzip:
		return gzip.NewReader(in)
	case Bzip2:
		ctx, cancel := context.WithCancel(context.Background())
		return named{pbzip2.NewReader(ctx, in), format, cancel}, nil
	case Zstd:
		d, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return named{d, format, d.Close}, nil
	case XZ:
		r, err := xz.NewReader(in)
		return named{r, format, func() {}}, err
	}
	return io.NopCloser(in), nil
}

// named says in its errors which format is damaged.
type named struct {
	io.Reader
	format Format
	close  func()
}

func (n named) Read(to []byte) (int, error) {
	count, err := n.Reader.Read(to)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("reading %s: %w", n.format, err)
	}
	return count, err
}

func (n named) Close() error { n.close(); return nil }

// NewWriter compresses what is written to it. All of it is in out once Close has returned without an error. To write bzip2 it
// runs the program bzip2, as no Go library that does is kept.
func NewWriter(out io.Writer, format Format) (io.WriteCloser, error) {
	switch format {
	case Gzip:
		return gzip.NewWriter(out), nil
	case Zstd:
		return zstd.NewWriter(out)
	case XZ:
		return xz.NewWriter(out)
	case Bzip2:
		return startBzip2(out)
	}
	return plain{out}, nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// program is a program that compresses.
type program struct {
	io.WriteCloser
	cmd  *exec.Cmd
	said *bytes.Buffer
}

func startBzip2(out io.Writer) (io.WriteCloser, error) {
	cmd := exec.Command("bzip2", "-zc")
	said := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, said
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("writing bzip2 takes the program bzip2; install it, or write .zst: %w", err)
	}
	return program{in, cmd, said}, nil
}

func (p program) Close() error {
	errClose := p.WriteCloser.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("bzip2: %w: %s", err, strings.TrimSpace(p.said.String()))
	}
	if errors.Is(errClose, io.ErrClosedPipe) {
		return nil
	}
	return errClose
}
