package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// request is what a browser sends for an image of a page.
const request = "GET %s HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Dest: image\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\nReferer: http://%[2]s/wiki/Main_Page\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n"

// drive asks for the image over so many connections for a while and returns how
// many answers a second came. The client is lean, as it shares the machine.
func drive(ctx context.Context, p *process, connections int, length time.Duration) (float64, error) {
	begin := time.Now()
	counts, failures := make([]int, connections), make([]error, connections)
	var clients sync.WaitGroup
	for i := range connections {
		clients.Go(func() {
			counts[i], failures[i] = fetchUntil(ctx, p, begin.Add(length))
		})
	}
	clients.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(begin).Seconds(), errors.Join(failures...)
}

// fetchUntil asks again and again over one connection.
func fetchUntil(ctx context.Context, p *process, end time.Time) (n int, err error) {
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(end.Add(10 * time.Second)); err != nil {
		return 0, err
	}
	sent, answers := fmt.Appendf(nil, request, p.path, p.address), bufio.NewReaderSize(conn, 64<<10)
	for ; time.Now().Before(end) && ctx.Err() == nil; n++ {
		if _, err := conn.Write(sent); err != nil {
			return n, err
		}
		if err := readAnswer(answers); err != nil {
			return n, err
		}
	}
	return n, ctx.Err()
}

// readAnswer reads one whole image.
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
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}
