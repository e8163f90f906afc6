// Peerbench compares how many reports a second two collectors take, in pairs of
// short rounds over loopback HTTP: what else the machine does meets both.
//
//	peerbench serve -listen 127.0.0.1:8081 -file /tmp/reports.db &
//	peerbench drive -ours http://127.0.0.1:8081/ -peer http://127.0.0.1:8082/csp
//
// The peer is any collector of application/csp-report that somebody started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/process"
	"github.com/wikiveil/wikiveil/csp/reports"
	"github.com/wikiveil/wikiveil/internal/kv"
)

func main() { process.Main("peerbench", run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say serve or drive")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	switch args[0] {
	case "serve":
		listen := flags.String("listen", "127.0.0.1:8081", "loopback address to serve at")
		file := flags.String("file", "", "bbolt file that the reports are kept in")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return serve(ctx, *listen, *file, out)
	case "drive":
		var d driver
		ours := flags.String("ours", "", "URL of this collector")
		peer := flags.String("peer", "", "URL of the other one")
		flags.IntVar(&d.rounds, "rounds", 6, "rounds for each")
		flags.IntVar(&d.connections, "connections", 16, "connections at once")
		flags.DurationVar(&d.length, "time", 3*time.Second, "length of a round")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return d.compare(ctx, *ours, *peer, out)
	}
	return fmt.Errorf("%q is neither serve nor drive", args[0])
}

// serve runs a collector as the edge does, but without limits, until ctx ends.
func serve(ctx context.Context, listen, file string, out io.Writer) (err error) {
	if addr, err := netip.ParseAddrPort(listen); err != nil || !addr.Addr().IsLoopback() {
		return fmt.Errorf("%q is not a loopback address with a port", listen)
	}
	store, err := kv.OpenBolt(file, time.Now)
	if err != nil {
		return err
	}
	unlimited := reports.Rate{PerSecond: 1e9, Burst: 1e9}
	collector, err := reports.New(reports.Config{
		Store: store, Overall: unlimited, PerClient: unlimited,
		Client: func(r *http.Request) string { return r.RemoteAddr },
	})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	defer func() { err = errors.Join(err, collector.Close()) }()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	anyOrigin := func(string) bool { return true }
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { collector.ServeOwn(w, r, anyOrigin) })
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	fmt.Fprintf(out, "listening on http://%s/\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	s, err := collector.Snapshot(context.Background(), time.Now().Add(-24*time.Hour), time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "accepted %d, bad %v, refused %v, limited %v\n", s.Accepted, s.Bad, s.Refused, s.Limited)
	return nil
}
