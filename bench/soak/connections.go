package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// open sends text over a connection of its own. It returns nil where a reload cuts that off.
func (s *soak) open(ctx context.Context, c *client, text string) net.Conn {
	conn, err := c.dial(ctx, "tcp", s.edge.Address)
	if err != nil {
		s.cut.Add(1)
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, text); err != nil {
		s.cut.Add(1)
		conn.Close()
		return nil
	}
	return conn
}

// answer reads one, and reports a status that isn't wanted. What a reload cut off has none.
func (s *soak) answer(conn net.Conn, about string, want int) (*bufio.Reader, error) {
	buffered := bufio.NewReader(conn)
	resp, err := http.ReadResponse(buffered, nil)
	if err != nil {
		s.cut.Add(1)
		return nil, nil
	}
	if resp.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // for people
		return nil, fmt.Errorf("%s: %s, want %d: %s", about, resp.Status, want, text)
	}
	return buffered, nil
}

var badRequests = []string{
	"GET / HTTP/1.1\r\nHost: soak.test\r\nBad Name: x\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\n",
	"\x16\x03\x01 not HTTP\r\n\r\n",
	"POST /edit HTTP/1.1\r\nHost: soak.test\r\nContent-Length: x\r\n\r\n",
	"GET /%zz HTTP/1.1\r\nHost: soak.test\r\n\r\n",
}

func badRequest(ctx context.Context, s *soak, c *client) error {
	conn := s.open(ctx, c, badRequests[rand.N(len(badRequests))])
	if conn == nil {
		return nil
	}
	defer conn.Close()
	_, err := s.answer(conn, "a bad request", http.StatusBadRequest)
	return err
}

// abortAnswer leaves while an answer is on its way.
func abortAnswer(ctx context.Context, s *soak, c *client) error {
	conn := s.open(ctx, c, c.head("GET", "/long", ""))
	if conn == nil {
		return nil
	}
	defer conn.Close()
	_, _ = io.CopyN(io.Discard, conn, 1000) // a reload may cut it off
	return conn.(*net.TCPConn).SetLinger(0) // reset, not closed
}

// abortRequest leaves in the middle of a request.
func abortRequest(ctx context.Context, s *soak, c *client) error {
	if conn := s.open(ctx, c, c.head("POST", "/edit", "Content-Length: 100000\r\n")+"half of it"); conn != nil {
		sleep(ctx, rand.N(50*time.Millisecond))
		conn.Close()
	}
	return nil
}

// readSlowly takes its answer in small pieces.
func readSlowly(ctx context.Context, s *soak, c *client) error {
	conn := s.open(ctx, c, c.head("GET", "/long", "Connection: close\r\n"))
	if conn == nil {
		return nil
	}
	defer conn.Close()
	rest, err := s.answer(conn, "a slow reader", http.StatusOK)
	for rest != nil && err == nil && sleep(ctx, 20*time.Millisecond) {
		if _, err := io.CopyN(io.Discard, rest, 16<<10); err != nil {
			break
		}
	}
	return err
}

// writeSlowly sends its body in small pieces.
func writeSlowly(ctx context.Context, s *soak, c *client) error {
	const pieces = 20
	conn := s.open(ctx, c, c.head("POST", "/edit", fmt.Sprintf("Connection: close\r\nContent-Length: %d\r\n", pieces)))
	if conn == nil {
		return nil
	}
	defer conn.Close()
	for range pieces {
		if _, err := io.WriteString(conn, "x"); err != nil || !sleep(ctx, 20*time.Millisecond) {
			return nil // a reload cut it off
		}
	}
	_, err := s.answer(conn, "a slow writer", http.StatusOK)
	return err
}

func followEvents(ctx context.Context, s *soak, c *client) error {
	conn := s.open(ctx, c, c.head("GET", "/events", "Connection: close\r\n"))
	if conn == nil {
		return nil
	}
	defer conn.Close()
	rest, err := s.answer(conn, "an event stream", http.StatusOK)
	if rest != nil {
		_, _ = io.Copy(io.Discard, rest) // a reload may end it
	}
	return err
}

// talk has a line echoed over an upgraded connection, ten times.
func talk(ctx context.Context, s *soak, c *client) error {
	conn := s.open(ctx, c, c.head("GET", "/socket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))
	if conn == nil {
		return nil
	}
	defer conn.Close()
	rest, err := s.answer(conn, "a socket", http.StatusSwitchingProtocols)
	if rest == nil {
		return err
	}
	for n := range 10 {
		fmt.Fprintln(conn, "line", n)
		line, err := rest.ReadString('\n')
		if err != nil {
			s.cut.Add(1)
			return nil
		}
		if want := fmt.Sprintln("line", n); line != want {
			return fmt.Errorf("a socket: %q came back for %q", line, want)
		}
		if !sleep(ctx, 50*time.Millisecond) {
			break
		}
	}
	return nil
}
