// Package load asks a server for the same thing again and again. Its clients are
// lean, since they share the machine with what they measure.
package load

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Spec says what to ask for.
type Spec struct {
	Address     string        // host:port
	Request     string        // head of an HTTP/1.1 request with its last empty line, and a body if any
	Clients     int           // how many clients there are by X-Forwarded-For (HTTP/1.1 only): at most 1,000,000; 0: whoever connects
	First       int           // number of the first of these clients
	Connections int           // each waits for an answer before it asks again
	Length      time.Duration // how long to ask
	CA          string        // certificate in PEM of who signed the server's: asks by HTTP/2 over TLS; empty: by HTTP/1.1 without
}

// Result is what came back.
type Result struct {
	Answers int
	Elapsed time.Duration
	P99     time.Duration // the time that 99 of 100 answers took at most
}

// PerSecond is how many answers a second came.
func (r Result) PerSecond() float64 { return float64(r.Answers) / r.Elapsed.Seconds() }

// Run drives the server. Any answer but 200 with a length is an error.
func Run(ctx context.Context, spec Spec) (Result, error) {
	return drive(spec, func(n int, end time.Time) ([]time.Duration, error) {
		if spec.CA != "" {
			return spec.http2Connection(ctx, end)
		}
		return spec.connection(ctx, n, end)
	})
}

// drive runs all connections, which tell how long each answer took.
func drive(spec Spec, connection func(n int, end time.Time) ([]time.Duration, error)) (Result, error) {
	begin := time.Now()
	taken, failures := make([][]time.Duration, spec.Connections), make([]error, spec.Connections)
	var clients sync.WaitGroup
	for n := range spec.Connections {
		clients.Go(func() { taken[n], failures[n] = connection(n, begin.Add(spec.Length)) })
	}
	clients.Wait()
	elapsed := time.Since(begin)
	all := slices.Concat(taken...)
	slices.Sort(all)
	result := Result{Answers: len(all), Elapsed: elapsed}
	if len(all) > 0 {
		result.P99 = all[len(all)*99/100]
	}
	for _, err := range failures {
		if err != nil {
			return result, err // what ails one connection ails the others
		}
	}
	return result, nil
}
