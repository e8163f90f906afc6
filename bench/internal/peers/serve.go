package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Serve listens on a free port, prints its address and serves until ctx ends.
func Serve(ctx context.Context, handler http.Handler, out io.Writer) error {
	listener, err := Listen(out)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Listen listens on a free port and prints its address, as process.StartSelf wants it.
func Listen(out io.Writer) (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(out, listener.Addr())
	return listener, nil
}
