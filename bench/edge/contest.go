package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wikiveil/wikiveil/bench/internal/process"
	"github.com/wikiveil/wikiveil/bench/internal/rounds"
)

// contest is a row that drives servers with the same requests.
type contest struct {
	connections int
	start       func(ctx context.Context, b *bench, s *started) error
	claims      []claim
}

// claim is what one contender must do beside another.
type claim struct {
	of, against    string
	rate, cpu, p99 *bound // nil: not looked at
}

// started are the servers of a contest.
type started struct {
	contenders []*rounds.Contender
	behind     []*process.Process // what the contenders ask
	left       []error            // contenders that can't be started here
}

// stop ends all of them.
func (s *started) stop() (err error) {
	for _, c := range s.contenders {
		err = errors.Join(err, c.Stop())
	}
	for _, p := range s.behind {
		err = errors.Join(err, p.Stop())
	}
	return err
}

const warmUp = 300 * time.Millisecond

func (c contest) run(ctx context.Context, b *bench) (_ part, err error) {
	s := new(started)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := c.start(ctx, b, s); err != nil {
		return part{}, err
	}
	drive := func(times int, length time.Duration) ([]rounds.Series, error) {
		for _, contender := range s.contenders {
			contender.Load.Connections, contender.Load.Length = c.connections, length
		}
		return rounds.Run(ctx, s.contenders, times)
	}
	if _, err := drive(1, warmUp); err != nil {
		return part{}, err
	}
	measured, err := drive(b.rounds, b.length)
	if err != nil {
		return part{}, err
	}
	return c.sumUp(s, measured)
}

// sumUp makes figures of the rounds.
func (c contest) sumUp(s *started, measured []rounds.Series) (p part, err error) {
	series := map[string]rounds.Series{}
	for i, contender := range s.contenders {
		m := measured[i]
		used, err := contender.Usage()
		if err != nil {
			return p, err
		}
		series[contender.Name] = m
		p.contenders = append(p.contenders, contenderFigures{
			name: contender.Name, rate: rounds.Of(m.Rate).Median, cpu: rounds.Of(m.CPU).Median, p99: rounds.Of(m.P99).Median,
			client: rounds.Of(m.Clients).Median, resident: used.Resident,
		})
	}
	for _, claim := range c.claims {
		p.figures = append(p.figures, claim.figures(series)...)
	}
	if err := errors.Join(s.left...); err != nil {
		p.left = err.Error()
	}
	return p, nil
}

func (c claim) figures(series map[string]rounds.Series) (found []figure) {
	ours, others := series[c.of], series[c.against]
	if others.Rate == nil {
		return nil // it isn't installed here
	}
	for _, m := range []struct {
		name         string
		ours, others []float64
		bound        *bound
	}{
		{"rate", ours.Rate, others.Rate, c.rate},
		{"CPU for each", ours.CPU, others.CPU, c.cpu},
		{"p99", ours.P99, others.P99, c.p99},
	} {
		if m.bound != nil {
			found = append(found, figure{
				of: c.of, against: c.against, measure: m.name, found: rounds.Of(rounds.Ratios(m.ours, m.others)), bound: *m.bound,
			})
		}
	}
	return found
}

// caddy starts a Caddy with a Caddyfile.
func (s *started) caddy(ctx context.Context, name, binary string, text config) (*rounds.Contender, error) {
	p, err := process.Start(ctx, name, binary, text.write)
	if err != nil {
		return nil, err
	}
	return s.add(p), nil
}

func (s *started) add(p *process.Process) *rounds.Contender {
	c := &rounds.Contender{Process: p}
	c.Load.Address = p.Address
	s.contenders = append(s.contenders, c)
	return c
}

// serve starts one of this command's own servers, which the contenders ask.
func (s *started) serve(ctx context.Context, args ...any) (*process.Process, error) {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = fmt.Sprint(a)
	}
	p, err := process.StartSelf(ctx, words...)
	if err != nil {
		return nil, err
	}
	s.behind = append(s.behind, p)
	return p, nil
}
