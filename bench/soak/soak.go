package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// soak is one run.
type soak struct {
	out        io.Writer
	edge       *edge
	wiki, tool *receiver
	clients    []*client
	finder     *finder
	workers    int

	idle    sync.RWMutex // held for reading by all that keeps the edge busy
	admin   sync.Mutex
	done    [16]atomic.Int64 // by action
	cut     [16]atomic.Int64 // of these, what came to no end
	retries atomic.Int64     // of requests whose connections were cut off
	samples []sample

	mu       sync.Mutex
	failures []string
	failed   int
}

// mostFailures are told one by one.
const mostFailures = 20

func newSoak(ctx context.Context, o options, out io.Writer) (_ *soak, err error) {
	s := &soak{out: out, clients: newClients(), workers: o.workers}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.finder = finderOf(s.clients)
	s.wiki = newWiki(s.finder, s.fail)
	if s.tool, err = newTool(s.finder, s.fail); err != nil {
		return nil, err
	}
	if s.edge, err = startEdge(ctx, o.edge, s.wiki.address(), s.tool.address()); err != nil {
		return nil, err
	}
	return s, s.awaitTool(ctx)
}

// awaitTool waits until the edge has taken note of its tools' declarations.
func (s *soak) awaitTool(ctx context.Context) (err error) {
	for range 100 {
		if err = s.exchange(ctx, s.clients[0], http.MethodGet, "/.tools/steady/first.png", "", "", http.StatusOK); err == nil {
			return nil
		}
		if !sleep(ctx, 100*time.Millisecond) {
			break
		}
	}
	return err
}

func (s *soak) close() error {
	for _, r := range []*receiver{s.wiki, s.tool} {
		if r != nil {
			r.CloseClientConnections()
			r.Close()
		}
	}
	if s.edge == nil {
		return nil
	}
	return s.edge.Stop()
}

// fail notes a fault.
func (s *soak) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed++; s.failed <= mostFailures {
		s.failures = append(s.failures, fmt.Sprintf(format, args...))
		fmt.Fprintln(s.out, "FAULT:", s.failures[len(s.failures)-1])
	}
}

// run keeps the edge busy for so long, and judges.
func (s *soak) run(ctx context.Context, length time.Duration) error {
	begin := time.Now()
	busy, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	for range s.workers {
		all.Go(func() { s.work(busy, ctx) })
	}
	for _, u := range upsets {
		all.Go(func() { s.upset(busy, ctx, u) })
	}
	// Enough samples for two halves, however short the run or slow the machine is.
	for every := min(length/16, 20*time.Second); (time.Since(begin) < length || len(s.samples) < fewestSamples) && sleep(busy, every); {
		if err := s.sample(ctx, time.Since(begin)); err != nil {
			if ctx.Err() == nil {
				s.fail("%v", err)
			}
			break
		}
	}
	stop()
	all.Wait()
	if err := ctx.Err(); err != nil { // the edge has been killed, and nothing of it is to be judged
		return err
	}
	if err := s.sample(ctx, time.Since(begin)); err != nil {
		s.fail("%v", err)
	}
	s.judge()
	s.judgeCut()
	if err := errors.Join(s.edge.End(), s.lookThroughLogs()); err != nil { // what it wrote while it ended, too
		s.fail("%v", err)
	}
	s.summary()
	if s.failed > 0 {
		return fmt.Errorf("%d faults", s.failed)
	}
	return ctx.Err()
}

// work does what readers do until busy ends. What has begun goes on to its end.
func (s *soak) work(busy, ctx context.Context) {
	weights := 0
	for _, a := range actions {
		weights += a.weight
	}
	for busy.Err() == nil {
		n, pick := 0, rand.N(weights)
		for ; pick >= actions[n].weight; n++ {
			pick -= actions[n].weight
		}
		s.idle.RLock()
		err := actions[n].do(ctx, s, s.clients[rand.N(len(s.clients))])
		s.idle.RUnlock()
		switch {
		case errors.Is(err, errCut):
			s.cut[n].Add(1)
		case err != nil && ctx.Err() == nil:
			s.fail("%s: %v", actions[n].name, err)
		}
		s.done[n].Add(1)
		sleep(busy, rand.N(60*time.Millisecond))
	}
}

// judgeCut tells reloads, which cut some things off, from an edge that lets nothing come to its end.
func (s *soak) judgeCut() {
	for n, a := range actions {
		if done, cut := s.done[n].Load(), s.cut[n].Load(); done >= 20 && cut > done*3/4 {
			s.fail("%s: %d of %d were cut off, more than reloads explain", a.name, cut, done)
		}
	}
}

// upset is something that happens to an edge that runs.
type upset struct {
	name  string
	every time.Duration
	do    func(*edge, context.Context) error
}

var upsets = []upset{
	{"reload", 4 * time.Second, (*edge).reload},
	{"rotation", 17 * time.Second, (*edge).rotate},
	{"switching a tool", 5 * time.Second, (*edge).switchTool},
}

func (s *soak) upset(busy, ctx context.Context, u upset) {
	for sleep(busy, u.every) {
		s.idle.RLock()
		s.admin.Lock() // a reload ends the endpoint that the others ask
		err := u.do(s.edge, ctx)
		s.admin.Unlock()
		s.idle.RUnlock()
		if err != nil && ctx.Err() == nil {
			s.fail("%s: %v", u.name, err)
		}
	}
}

func (s *soak) summary() {
	var all, cut int64
	for n, a := range actions {
		fmt.Fprintf(s.out, "%8d  %s\n", s.done[n].Load(), a.name)
		all += s.done[n].Load()
		cut += s.cut[n].Load()
	}
	fmt.Fprintf(s.out, "%8d  in all, over %d configs; %d were cut off by reloads, %d tried again; %d faults\n", all, s.edge.loads+1, cut, s.retries.Load(), s.failed)
}
