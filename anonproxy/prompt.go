package anonproxy

import (
	"net/http"
	"sync"
	"time"
)

// patience is how long bytes wait for more of them. Most responses are whole by then, and leave in fewer pieces.
const patience = 10 * time.Millisecond

// promptWriter writes a response that comes in pieces, and sees that none waits for long in a buffer. Stop it when done.
type promptWriter struct {
	mu      sync.Mutex // around all use of w
	w       http.ResponseWriter
	timer   *time.Timer
	waiting bool // something is to be flushed, unless more comes
}

// write writes a piece, which more may follow.
func (p *promptWriter) write(piece []byte, more bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.w.Write(piece)
	switch {
	case !more || p.waiting: // the timer is running, or isn't needed
	case p.timer == nil:
		p.timer = time.AfterFunc(patience, p.flush)
	default:
		p.timer.Reset(patience)
	}
	p.waiting = more
	return err
}

func (p *promptWriter) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting {
		_ = http.NewResponseController(p.w).Flush() // a writer that can't flush still delivers in the end
	}
	p.waiting = false
}

// stop ends the flushing. The response writer isn't used from then on.
func (p *promptWriter) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = false
	if p.timer != nil {
		p.timer.Stop()
	}
}
