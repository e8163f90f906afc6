// Package peers has the servers that benchmarks put beside and behind what they
// measure: a wiki, a tool, and another image proxy.
package peers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// Wiki answers all requests with a page of so many bytes, as fast as Go can: what
// it takes is no part of what is measured. It serves until ctx ends.
func Wiki(ctx context.Context, listener net.Listener, size int) error {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	page := bytes.Repeat([]byte("<p>words in a page"), size/18+1)[:size]
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Length: %d\r\n"+
		"Cache-Control: private, must-revalidate, max-age=0\r\nContent-Language: en\r\nX-Content-Type-Options: nosniff\r\n"+
		"Vary: Accept-Encoding,Cookie,Authorization\r\nLast-Modified: Wed, 01 Jul 2026 08:00:00 GMT\r\n\r\n%s", size, page)
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_ = answerAll(conn, answer) // a client that goes away is none that is measured
		}()
	}
}

func answerAll(conn net.Conn, answer []byte) error {
	requests := bufio.NewReaderSize(conn, 16<<10)
	for {
		if err := skipRequest(requests); err != nil {
			return err
		}
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

// skipRequest reads a request, and of its head the body's length alone.
func skipRequest(r *bufio.Reader) error {
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		const name = "content-length:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return err
			}
		}
	}
	_, err := io.CopyN(io.Discard, r, int64(length))
	return err
}
