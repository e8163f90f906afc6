package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// patience is how long an answer may take after the end.
const patience = 10 * time.Second

// connection asks again and again over one connection.
func (s Spec) connection(ctx context.Context, n int, end time.Time) (taken []time.Duration, err error) {
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(end.Add(patience)); err != nil {
		return nil, err
	}
	request, answers := s.newRequest(), bufio.NewReaderSize(conn, 64<<10)
	for now := time.Now(); now.Before(end) && ctx.Err() == nil; n += s.Connections {
		if _, err := conn.Write(request.of(n)); err != nil {
			return taken, err
		}
		if err := readAnswer(answers); err != nil {
			return taken, err
		}
		asked := now
		now = time.Now()
		taken = append(taken, now.Sub(asked))
	}
	return taken, ctx.Err()
}

// request is the bytes of a request, in which the client can be changed.
type request struct {
	text   []byte
	client []byte // the part of text that names the client; nil if none does
	spec   Spec
}

// addresses have one length, so that one can be written over the other.
const addresses = "151.1%02d.1%02d.1%02d"

func (s Spec) newRequest() *request {
	r := &request{text: []byte(s.Request), spec: s}
	if s.Clients == 0 {
		return r
	}
	first, rest, _ := strings.Cut(s.Request, "\r\n")
	line := fmt.Sprintf("\r\nX-Forwarded-For: "+addresses+"\r\n", 0, 0, 0)
	r.text = []byte(first + line + rest)
	client := r.text[len(first)+len(line)-len("151.100.100.100\r\n"):]
	r.client = client[:len("151.100.100.100")]
	return r
}

// of returns the n-th request, which holds until the next is asked for.
func (r *request) of(n int) []byte {
	if r.client != nil {
		n = (r.spec.First + n) % r.spec.Clients
		copy(r.client, fmt.Sprintf(addresses, n/10_000%100, n/100%100, n%100))
	}
	return r.text
}

// readAnswer reads one whole answer.
func readAnswer(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if ok := strings.HasPrefix(string(status), "HTTP/1.1 200 "); !ok {
		return fmt.Errorf("it answers %q", status)
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		const name = "content-length:"
		if len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			if length, err = strconv.Atoi(strings.TrimSpace(string(line[len(name):]))); err != nil {
				return err
			}
		}
	}
	if length < 1 {
		return errors.New("it answers without a length")
	}
	_, err = r.Discard(length)
	return err
}
