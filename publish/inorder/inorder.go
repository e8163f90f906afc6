// Package inorder works on a long input piece by piece on all processors, in constant memory, and hands the results on in the
// input's order.
package inorder

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

// ErrLongRecord is of a record that doesn't fit into the longest piece.
var ErrLongRecord = errors.New("a record is too long")

// Piece is some whole records of an input and what became of them. Who is handed it may use it until they return.
type Piece[R any] struct {
	In    []byte
	At    int64 // where In begins in the input, in bytes
	Last  bool  // nothing follows
	Out   R     // what the work makes; the work finds here what an earlier piece left, for its room
	ended error
	done  chan struct{}
}

// Split says how an input is taken apart.
type Split struct {
	Size int // bytes of a piece that holds several records
	Most int // bytes of the longest piece, which a record may need alone
	// Cut returns where the last whole record of data ends, 0 if there is none; the first data[:seen] it has seen before.
	Cut func(data []byte, seen int) int
	// Eager hands records on as soon as they are read, for who types them, instead of a whole piece.
	Eager bool
}

// Run reads in, has each piece worked on by a function that worker makes, one for each processor, and hands them to write in
// their order. It ends with the first error of in, of a record that is too long, or of write; pieces before it are written.
func Run[R any](in io.Reader, split Split, worker func() func(*Piece[R]), write func(*Piece[R]) error) error {
	workers := runtime.GOMAXPROCS(0)
	pieces := 2 * workers // so that none waits for the writer, and memory is bounded
	free, todo, inOrder := make(chan *Piece[R], pieces), make(chan *Piece[R], pieces), make(chan *Piece[R], pieces)
	for range pieces {
		free <- &Piece[R]{done: make(chan struct{}, 1)}
	}
	quit := make(chan struct{})
	defer close(quit)
	go func() { // after an error it ends with what it waits to read: nobody waits for that
		defer close(todo)
		defer close(inOrder)
		read(in, split, free, quit, func(p *Piece[R]) { todo <- p; inOrder <- p })
	}()
	for range workers {
		go func() {
			work := worker()
			for p := range todo {
				work(p)
				p.done <- struct{}{}
			}
		}()
	}
	for p := range inOrder {
		<-p.done
		if err := write(p); err != nil {
			return err
		}
		if p.ended != nil && p.ended != io.EOF {
			return p.ended
		}
		free <- p
	}
	return nil
}

func read[R any](in io.Reader, split Split, free <-chan *Piece[R], quit <-chan struct{}, handOn func(*Piece[R])) {
	var begun []byte // a record whose end is yet to be read
	at := int64(0)
	for {
		select {
		case p := <-free:
			p.At = at
			begun = p.read(in, split, begun)
			at += int64(len(p.In))
			ended := p.Last // before another has it
			handOn(p)
			if ended {
				return
			}
		case <-quit:
			return
		}
	}
}

// read reads records, the first of which has begun already, and returns what it got of another one.
func (p *Piece[R]) read(in io.Reader, split Split, begun []byte) (rest []byte) {
	if cap(p.In) > 4*split.Size || cap(p.In) < split.Size { // one long record doesn't take its room for good
		p.In = make([]byte, 0, split.Size)
	}
	p.In, p.Last, p.ended = append(p.In[:0], begun...), false, nil
	seen := 0
	for {
		if len(p.In) == cap(p.In) {
			if cap(p.In) >= split.Most {
				p.In, p.Last = p.In[:0], true
				p.ended = fmt.Errorf("at byte %d: %w: it has more than %d bytes", p.At, ErrLongRecord, split.Most)
				return nil
			}
			p.In = append(make([]byte, 0, min(2*cap(p.In), split.Most)), p.In...)
		}
		n, err := in.Read(p.In[len(p.In):cap(p.In)])
		p.In = p.In[:len(p.In)+n]
		switch {
		case err == io.EOF: // the last record needs no end
			p.Last, p.ended = true, err
			return nil
		case err == nil && !split.Eager && len(p.In) < cap(p.In):
			continue
		}
		end := split.Cut(p.In, seen)
		seen = len(p.In)
		switch {
		case err != nil: // what is cut short might read as something else
			p.In, p.Last, p.ended = p.In[:end], true, err
			return nil
		case end > 0:
			rest, p.In = p.In[end:], p.In[:end]
			return rest
		}
	}
}
