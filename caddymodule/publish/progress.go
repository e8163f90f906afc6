package publish

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// progress reads a file, and says on a terminal how far it is, how fast, and how long it takes yet.
type progress struct {
	in          io.Reader
	to          io.Writer // nil without a terminal
	name        string
	size, read  int64 // bytes as they are in the file; size is 0 if it isn't known
	begun, said time.Time
	stands      atomic.Bool // a line stands on the terminal
}

func newProgress(cmd *cobra.Command, in io.Reader, name string, size int64) *progress {
	p := &progress{in: in, name: name, size: size, begun: time.Now()}
	if file, ok := cmd.ErrOrStderr().(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.to = file
	}
	return p
}

// Read implements io.Reader.
func (p *progress) Read(to []byte) (int, error) {
	n, err := p.in.Read(to)
	p.read += int64(n)
	if now := time.Now(); p.to != nil && now.Sub(p.said) >= time.Second {
		p.said = now
		p.stands.Store(true)
		fmt.Fprintf(p.to, "\r\x1b[K%s", p.line(now))
	}
	return n, err
}

func (p *progress) line(now time.Time) string {
	taken := now.Sub(p.begun).Seconds()
	rate := float64(p.read) / max(taken, 0.001)
	line := fmt.Sprintf("%s: %s, %s/s", p.name, humanize.Bytes(uint64(p.read)), humanize.Bytes(uint64(rate)))
	if p.size > 0 && p.read > 0 && p.read <= p.size {
		left := time.Duration(float64(p.size-p.read) / max(rate, 1) * float64(time.Second))
		line += fmt.Sprintf(", %d %%, %s left", 100*p.read/p.size, left.Round(time.Second))
	}
	return line
}

// clear takes the line away, before others are printed.
func (p *progress) clear() {
	if p.stands.Swap(false) {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
