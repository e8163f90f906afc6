package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// report is what a Chromium sends to a report-uri; %d is a resource that differs.
const report = `{"csp-report":{"document-uri":"http://127.0.0.1:8080/wiki/Main_Page","referrer":"","violated-directive":"connect-src",` +
	`"effective-directive":"connect-src","original-policy":"default-src 'none'; script-src 'self' 'unsafe-eval' 'unsafe-inline'; img-src 'self' data: blob:; ` +
	`connect-src 'self'; base-uri 'self'; form-action 'self'; report-uri /.privacy/csp-reports","disposition":"report",` +
	`"blocked-uri":"http://tool.example/%d.json?secret=1","line-number":1,"column-number":332,"status-code":200,"script-sample":""}}`

type driver struct {
	rounds, connections int
	length              time.Duration
}

// compare drives both by turns and prints each one's median.
func (d driver) compare(ctx context.Context, ours, peer string, out io.Writer) error {
	for _, target := range []string{ours, peer} {
		if err := loopback(target); err != nil {
			return err
		}
	}
	if d.rounds < 1 || d.connections < 1 || d.length <= 0 {
		return errors.New("a number is not positive")
	}
	var rates [2][]float64
	for round := range d.rounds {
		order := []int{0, 1}
		if round%2 == 1 { // neither is always the one that comes after the other
			order = []int{1, 0}
		}
		for _, i := range order {
			rate, err := d.round(ctx, []string{ours, peer}[i])
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], rate)
		}
		fmt.Fprintf(out, "round %d: ours %.0f reports/s, peer %.0f reports/s, ratio %.2f\n",
			round+1, rates[0][round], rates[1][round], rates[0][round]/rates[1][round])
	}
	a, b := median(rates[0]), median(rates[1])
	fmt.Fprintf(out, "median: ours %.0f reports/s, peer %.0f reports/s, ratio %.2f\n", a, b, a/b)
	return nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func loopback(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" {
		return fmt.Errorf("%q is not an http URL", target)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err != nil || !addr.IsLoopback() {
		return fmt.Errorf("%q is not a loopback address", target)
	}
	return nil
}

// round sends reports for a while and returns how many a second were answered 2xx.
func (d driver) round(ctx context.Context, target string) (float64, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: d.connections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	start := time.Now()
	taken := make([]int, d.connections)
	failures := make([]error, d.connections)
	var senders sync.WaitGroup
	for i := range d.connections {
		senders.Go(func() {
			for n := i; time.Since(start) < d.length; n += d.connections {
				if failures[i] = send(ctx, client, target, fmt.Sprintf(report, n)); failures[i] != nil {
					return
				}
				taken[i]++
			}
		})
	}
	senders.Wait()
	total := 0
	for _, n := range taken {
		total += n
	}
	return float64(total) / time.Since(start).Seconds(), errors.Join(failures...)
}

func send(ctx context.Context, client *http.Client, target, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/csp-report")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s", target, answer.Status)
	}
	return nil
}
