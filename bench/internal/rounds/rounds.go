// Package rounds measures servers in turn, in short rounds, so that what else the
// machine does meets all of them.
package rounds

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/wikiveil/wikiveil/bench/internal/load"
	"github.com/wikiveil/wikiveil/bench/internal/process"
)

// Contender is a server that is measured, and what it is asked for.
type Contender struct {
	*process.Process
	Load load.Spec
}

// Series is what was measured of one contender, a value a round.
type Series struct {
	Rate    []float64 // answers a second
	CPU     []float64 // seconds for an answer, in all threads
	P99     []float64 // seconds
	Clients []float64 // seconds of CPU for an answer that the clients took themselves
}

// Run drives the contenders in turn, so many rounds each.
func Run(ctx context.Context, contenders []*Contender, rounds int) ([]Series, error) {
	measured := make([]Series, len(contenders))
	for range rounds {
		for _, i := range rand.Perm(len(contenders)) { // none always comes after the same
			if err := measured[i].measure(ctx, contenders[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", contenders[i].Name, err)
			}
		}
	}
	return measured, nil
}

// measure drives the contender for a round.
func (s *Series) measure(ctx context.Context, c *Contender) error {
	before, err := c.Usage()
	if err != nil {
		return err
	}
	result, clients, err := load.RunApart(ctx, c.Load)
	if err != nil {
		return err
	}
	after, err := c.Usage()
	if err != nil {
		return err
	}
	answers := float64(result.Answers)
	c.Load.First += result.Answers // so that who is new stays new
	s.Rate = append(s.Rate, result.PerSecond())
	s.CPU = append(s.CPU, (after.CPU-before.CPU).Seconds()/answers)
	s.P99 = append(s.P99, result.P99.Seconds())
	s.Clients = append(s.Clients, clients.Seconds()/answers)
	return nil
}
