package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/leakguard"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// servers are what this command can be instead, by its first argument.
var servers = map[string]func(args []string) (http.Handler, error){
	"tool": newTool, "ours": newOurs, "stand-in": newStandIn,
}

// serve listens on a free port, prints its address and serves until ctx ends.
func serve(ctx context.Context, made func([]string) (http.Handler, error), args []string, out io.Writer) error {
	handler, err := made(args)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	fmt.Fprintln(out, listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newTool serves one image, which may be kept for an hour.
func newTool(args []string) (http.Handler, error) {
	flags := flag.NewFlagSet("tool", flag.ContinueOnError)
	size := flags.Int("size", 10<<10, "bytes of the image")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	picture, err := newImage(*size)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "image/png")
		h.Set("Content-Length", strconv.Itoa(len(picture)))
		h.Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(picture)
	}), nil
}

// newImage makes a PNG with noise in it, of at least so many bytes and not many more.
func newImage(size int) ([]byte, error) {
	noise := rand.NewChaCha8([32]byte{})
	for edge := 1; ; edge++ {
		if edge*edge*4 < size {
			continue
		}
		picture := image.NewNRGBA(image.Rect(0, 0, edge, edge))
		_, _ = noise.Read(picture.Pix)
		var file bytes.Buffer
		if err := png.Encode(&file, picture); err != nil || file.Len() >= size {
			return file.Bytes(), err
		}
	}
}

// reader tells the leak guard what the edge would of this one.
func reader(r *http.Request) anonproxy.Reader {
	known := anonproxy.Reader{Client: "2001:2f:1:2:3:4:5:6"}
	known.Secrets = []leakguard.Secret{
		{Field: leakguard.FieldAddress, Value: "198.51.100.7"}, {Field: leakguard.FieldMask, Value: "2001:2f:1:2:3:4:5:6"},
	}
	for _, cookie := range r.Cookies() {
		known.Secrets = append(known.Secrets, leakguard.Secret{Field: leakguard.FieldSession, Value: cookie.Value})
	}
	return known
}

var unlimited = noticeboard.Rate{Count: 1_000_000, Per: time.Second}

// newOurs is the anonymizing proxy as the edge runs it, in a server of its own.
func newOurs(args []string) (http.Handler, error) {
	flags := flag.NewFlagSet("ours", flag.ContinueOnError)
	origin := flags.String("origin", "", "the tool's origin")
	cached := flags.Bool("cache", false, "keep answers")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	board, err := noticeboard.New([]*noticeboard.Tool{{
		Name: "images", Origin: *origin, Kinds: []noticeboard.Kind{noticeboard.Img}, AllowLoopback: true,
		Limit: unlimited, ClientLimit: unlimited, // one client here is as many as a wiki has
	}})
	if err != nil {
		return nil, err
	}
	config := anonproxy.Config{Reader: reader}
	if *cached {
		if config.Cache, err = cache.New(cache.Config{}); err != nil {
			return nil, err
		}
	}
	return anonproxy.New(board, config)
}
