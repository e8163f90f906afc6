// Peerbench compares the anonymizing proxy with another image proxy: requests a
// second for the same images, in pairs of short rounds over loopback, so that
// what else the machine does meets both; and the memory that each took.
//
//	go run ./bench/proxy                        # beside a stand-in
//	go run ./bench/proxy -go-camo ./go-camo     # beside go-camo
//	go run ./bench/proxy -edge ./wikiveil       # the whole edge in place of the proxy alone
//
// The stand-in does the work of such a proxy on net/http as it comes, with 8 idle
// connections: it verifies a signed URL, filters headers both ways and checks
// type and size. A go-camo must let loopback addresses through, which takes a
// change of its source.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/load"
	"github.com/wikiveil/wikiveil/bench/internal/process"
)

func main() { process.Main("peerbench", run) }

// options are what the command line says.
type options struct {
	goCamo, edge string
	size, rounds int
	length       time.Duration
	connections  []int
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == load.Command {
		return load.ServeApart(ctx, args[1:], out)
	}
	if len(args) > 0 && servers[args[0]] != nil {
		return serve(ctx, servers[args[0]], args[1:], out)
	}
	var o options
	var connections string
	flags := flag.NewFlagSet("peerbench", flag.ContinueOnError)
	flags.StringVar(&o.goCamo, "go-camo", "", "binary of go-camo; default: the stand-in")
	flags.StringVar(&o.edge, "edge", "", "binary of the whole edge; default: the proxy alone in a net/http server")
	flags.StringVar(&connections, "connections", "8,64", "numbers of connections at once")
	flags.IntVar(&o.size, "size", 10<<10, "bytes of an image")
	flags.IntVar(&o.rounds, "rounds", 8, "rounds for each")
	flags.DurationVar(&o.length, "time", 2*time.Second, "length of a round")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for text := range strings.SplitSeq(connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number of connections", text)
		}
		o.connections = append(o.connections, n)
	}
	if o.rounds < 1 || o.length <= 0 || o.size < 1 || flags.NArg() > 0 {
		return errors.New("a number is not positive, or there is a word too many")
	}
	return compare(ctx, o, out)
}
