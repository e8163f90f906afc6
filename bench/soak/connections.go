package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// open sends text over a connection of its own.
func (s *soak) open(ctx context.Context, c *client, text string) (net.Conn, error) {
	conn, err := c.dial(ctx, "tcp", s.edge.Address)
	if err != nil {
		return nil, errCut
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, text); err != nil {
		conn.Close()
		return nil, errCut
	}
	return conn, nil
}

// answer reads the head of one, and reports a status that isn't wanted.
func answer(conn net.Conn, about string, want int) (*bufio.Reader, error) {
	buffered := bufio.NewReader(conn)
	resp, err := http.ReadResponse(buffered, nil)
	if err != nil {
		return nil, errCut
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
	conn, err := s.open(ctx, c, badRequests[rand.N(len(badRequests))])
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = answer(conn, "a bad request", http.StatusBadRequest)
	return err
}

// abortAnswer leaves while an answer is on its way.
func abortAnswer(ctx context.Context, s *soak, c *client) error {
	conn, err := s.open(ctx, c, c.head("GET", "/long", ""))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.CopyN(io.Discard, conn, 1000); err != nil {
		return errCut
	}
	return conn.(*net.TCPConn).SetLinger(0) // reset, not closed
}

// abortRequest leaves in the middle of a request.
func abortRequest(ctx context.Context, s *soak, c *client) error {
	conn, err := s.open(ctx, c, c.head("POST", "/edit", "Content-Length: 100000\r\n")+"half of it")
	if err != nil {
		return err
	}
	sleep(ctx, rand.N(50*time.Millisecond))
	return conn.Close()
}

// readSlowly takes its answer in small pieces.
func readSlowly(ctx context.Context, s *soak, c *client) error {
	conn, err := s.open(ctx, c, c.head("GET", "/long", "Connection: close\r\n"))
	if err != nil {
		return err
	}
	defer conn.Close()
	rest, err := answer(conn, "a slow reader", http.StatusOK)
	if err != nil {
		return err
	}
	for left := longSize; left > 0 && sleep(ctx, 20*time.Millisecond); left -= 16 << 10 {
		if _, err := io.CopyN(io.Discard, rest, 16<<10); err != nil {
			return errCut
		}
	}
	return nil
}

// writeSlowly sends its body in small pieces.
func writeSlowly(ctx context.Context, s *soak, c *client) error {
	const pieces = 20
	conn, err := s.open(ctx, c, c.head("POST", "/edit", fmt.Sprintf("Connection: close\r\nContent-Length: %d\r\n", pieces)))
	if err != nil {
		return err
	}
	defer conn.Close()
	for range pieces {
		if _, err := io.WriteString(conn, "x"); err != nil {
			return errCut
		}
		sleep(ctx, 20*time.Millisecond)
	}
	_, err = answer(conn, "a slow writer", http.StatusOK)
	return err
}

func followEvents(ctx context.Context, s *soak, c *client) error {
	conn, err := s.open(ctx, c, c.head("GET", "/events", "Connection: close\r\n"))
	if err != nil {
		return err
	}
	defer conn.Close()
	rest, err := answer(conn, "an event stream", http.StatusOK)
	if err != nil {
		return err
	}
	text, _ := io.ReadAll(rest) // its end is the connection's
	if strings.Count(string(text), "data: ") < events {
		return errCut
	}
	return nil
}

// talk has a line echoed over an upgraded connection, ten times.
func talk(ctx context.Context, s *soak, c *client) error {
	conn, err := s.open(ctx, c, c.head("GET", "/socket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))
	if err != nil {
		return err
	}
	defer conn.Close()
	rest, err := answer(conn, "a socket", http.StatusSwitchingProtocols)
	if err != nil {
		return err
	}
	for n := range 10 {
		fmt.Fprintln(conn, "line", n)
		line, err := rest.ReadString('\n')
		if err != nil {
			return errCut
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
