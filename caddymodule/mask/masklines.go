package mask

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"strings"

	"github.com/wikiveil/wikiveil/masking"
)

type lineMasker struct {
	*masking.Masker
	salted bool // clients' masks have salts, which only the running edge has
}

var errSalted = errors.New("clients' masks have salts of their own (`salt` in the config), and only the running edge can make them:" +
	" on the page /.privacy/ each client sees theirs; those of ranges and networks have none")

// parse masks an address as a client's, a CIDR range as a range.
func (m lineMasker) parse(text string) (netip.Addr, error) {
	if strings.Contains(text, "/") {
		prefix, err := masking.ParseRange(text)
		if err != nil {
			return netip.Addr{}, err
		}
		return m.Range(prefix)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, errors.New("neither an IP address nor a CIDR range")
	}
	if m.salted {
		return netip.Addr{}, errSalted
	}
	return m.Client(addr)
}

// maxChunk is how many bytes are masked in one piece, and so the most that a line may have.
const maxChunk = 64 << 10

var errLongLine = fmt.Errorf("it has %d bytes or more, which no address has", maxChunk)

// A chunk is some whole lines. Reader, worker and writer hand it on: only who has it uses it.
type chunk struct {
	lines  []byte
	ended  error // what reading ended with after them: io.EOF, or why it failed
	masked []byte
	count  int           // of the lines that were masked, up to one that has no mask
	err    error         // that one's
	done   chan struct{} // receives when they are masked
}

// copyLines masks the lines of in on all processors, and writes them to out in their order, up to one that has no mask.
func (m lineMasker) copyLines(out io.Writer, in io.Reader) error {
	workers := runtime.GOMAXPROCS(0)
	chunks := 2 * workers // so that none waits for the writer, and memory is bounded
	free, todo, inOrder := make(chan *chunk, chunks), make(chan *chunk, chunks), make(chan *chunk, chunks)
	for range chunks {
		free <- &chunk{lines: make([]byte, 0, maxChunk), done: make(chan struct{}, 1)}
	}
	quit := make(chan struct{})
	defer close(quit)
	go func() { // after an error it ends with what it waits to read: the command doesn't wait for that
		defer close(todo)
		defer close(inOrder)
		readChunks(in, free, quit, func(c *chunk) { todo <- c; inOrder <- c })
	}()
	for range workers {
		go func() {
			for c := range todo {
				c.mask(m)
				c.done <- struct{}{}
			}
		}()
	}
	return writeChunks(out, inOrder, free)
}

// readChunks hands lines on as soon as they are there.
func readChunks(in io.Reader, free <-chan *chunk, quit <-chan struct{}, handOn func(*chunk)) {
	var begun []byte // a line whose end is yet to be read
	for {
		select {
		case c := <-free:
			begun = c.read(in, begun)
			ended := c.ended // before another has it
			handOn(c)
			if ended != nil {
				return
			}
		case <-quit:
			return
		}
	}
}

// read reads lines, the first of which has begun already, and returns what it got of another one.
func (c *chunk) read(in io.Reader, begun []byte) (rest []byte) {
	c.lines = append(c.lines[:0], begun...)
	for {
		if len(c.lines) == cap(c.lines) {
			c.lines, c.ended = c.lines[:0], errLongLine
			return nil
		}
		n, err := in.Read(c.lines[len(c.lines):cap(c.lines)])
		c.lines, c.ended = c.lines[:len(c.lines)+n], err
		end := bytes.LastIndexByte(c.lines, '\n') + 1
		switch {
		case err == io.EOF: // the last line needs no end
			return nil
		case err != nil || end > 0: // a line that is cut short would be another's address
			rest, c.lines = c.lines[end:], c.lines[:end]
			return rest
		}
	}
}

func (c *chunk) mask(m lineMasker) {
	c.masked, c.count, c.err = c.masked[:0], 0, nil
	for line := range strings.Lines(string(c.lines)) {
		c.count++
		text := strings.TrimSpace(line)
		if text == "" {
			continue
		}
		if c.masked, c.err = appendMask(c.masked, text, m.parse); c.err != nil {
			return
		}
	}
}

func writeChunks(out io.Writer, inOrder <-chan *chunk, free chan<- *chunk) error {
	line := 0
	for c := range inOrder {
		<-c.done
		if _, err := out.Write(c.masked); err != nil {
			return err
		}
		line += c.count
		switch {
		case c.err != nil:
			return fmt.Errorf("line %d: %w", line, c.err)
		case c.ended == errLongLine:
			return fmt.Errorf("line %d: %w", line+1, c.ended)
		case c.ended != nil && c.ended != io.EOF:
			return fmt.Errorf("reading standard input: %w", c.ended)
		}
		free <- c
	}
	return nil
}
