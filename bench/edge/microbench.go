package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/wikiveil/wikiveil/bench/internal/rounds"
)

// goBenchmarks is a row that reads the Go benchmarks of one package.
type goBenchmarks struct {
	pkg     string
	figures []goFigure
}

// goFigure is a benchmark's time, or what it takes more than another.
type goFigure struct {
	of, less string // names without the number of processors
	most     float64
}

func (g goBenchmarks) run(ctx context.Context, b *bench) (part, error) {
	wanted := ""
	for _, f := range g.figures {
		for _, name := range []string{f.of, f.less} {
			if name != "" {
				wanted += "|^" + pattern(name) + "$"
			}
		}
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", wanted[1:], "-benchtime", "200ms", "-count", strconv.Itoa(b.rounds), g.pkg)
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	if err != nil {
		return part{}, fmt.Errorf("%w; it said:\n%s", err, said)
	}
	times := readBenchmarks(said)
	var found part
	for _, f := range g.figures {
		values := times[f.of]
		for i := range min(len(values), len(times[f.less])) {
			values[i] -= times[f.less][i]
		}
		if len(values) == 0 {
			return part{}, fmt.Errorf("%s has no benchmark %s", g.pkg, f.of)
		}
		measure := "µs"
		if f.less != "" {
			measure = "µs more"
		}
		found.figures = append(found.figures, figure{
			of: f.of, against: f.less, measure: measure, found: rounds.Of(values), bound: atMost(f.most),
		})
	}
	return found, nil
}

// pattern is what go test -bench takes for one benchmark: an expression for each level of its name.
func pattern(name string) string { return strings.ReplaceAll(regexp.QuoteMeta(name), "/", "$/^") }

var benchmarkLine = regexp.MustCompile(`(?m)^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op`)

// readBenchmarks returns the microseconds of each benchmark by its name, a value a run.
func readBenchmarks(output []byte) map[string][]float64 {
	times := map[string][]float64{}
	for _, line := range benchmarkLine.FindAllSubmatch(output, -1) {
		if ns, err := strconv.ParseFloat(string(line[2]), 64); err == nil {
			times[string(line[1])] = append(times[string(line[1])], ns/1e3)
		}
	}
	return times
}
