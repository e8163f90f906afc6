// Package backfill masks the unregistered users that MediaWiki's database has kept from before the edge masked clients: in a
// column of their own, or in the place of their names. Any number of runs, killed at any point, give what one run gives: each
// row is changed by itself, by what it holds.
package backfill

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/wikiveil/wikiveil/masking"
)

// A Job is what is to be done to a database.
type Job struct {
	Database *Database
	Masker   *masking.Masker
	// Rename puts masks in the place of names everywhere; else a column of the table actor is filled.
	Rename bool
	// Apply changes rows; else they are counted.
	Apply bool
	// State is a file that keeps how far the job is; empty: none is kept.
	State string
	// Batch is how many rows are read at once, and the most that one transaction changes; 0 means [DefaultBatch].
	Batch int
	// Rate is the most rows that are changed in a second; 0: no limit.
	Rate float64
	// Lag, if not nil, tells how far the replicas are behind. The job waits while it is more than MaxLag.
	Lag    func(context.Context) (time.Duration, error)
	MaxLag time.Duration
	// Progress, if not nil, is told after each batch how many rows are behind, of how many about.
	Progress func(done, total int64)

	names  names
	report *Report
	state  *state
	limit  *rate.Limiter
	twice  map[string]map[int64]int64 // by table: rows that say the same as another, and that other
	done   int64                      // rows behind
	total  int64
}

// DefaultBatch is for transactions of some milliseconds.
const DefaultBatch = 500

// A Report is what a job did, or would do.
type Report struct {
	// Places are the columns that held addresses, in the order of the work.
	Places []Count
	// Merged is how many rows became one with another that has the same mask.
	Merged int64
	// Shared is how many rows of actor got no mask, because the column is unique and another row has it.
	Shared int64
	// Odd is how many names look like addresses and are none, such as 192.0.2.xxx. They stay.
	Odd int64
	// Ranges counts the masked blocks of ranges by their length, such as "IPv4 /22".
	Ranges map[string]int64
	// Uncovered are columns, of extensions, that may hold addresses and weren't read.
	Uncovered []string
}

// A Count is of one place's rows.
type Count struct {
	Place   string
	Changed int64
}

// passes is how often all is read at most. The last one finds nothing to change, unless the wiki goes on to write addresses.
const passes = 4

// Run does the job. After an error it may be run again, and goes on.
func (j *Job) Run(ctx context.Context) (*Report, error) {
	d := j.Database
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	registered, err := d.registered(ctx)
	if err != nil {
		return nil, err
	}
	j.names = names{j.Masker, registered}
	j.report, j.twice = &Report{Ranges: map[string]int64{}}, map[string]map[int64]int64{}
	if j.Batch <= 0 {
		j.Batch = DefaultBatch
	}
	j.limit = rate.NewLimiter(rate.Inf, j.Batch)
	if j.Rate > 0 {
		j.limit.SetLimit(rate.Limit(j.Rate))
	}
	places := d.places(j.names)
	if !j.Rename {
		if places, err = j.columnPlace(); err != nil {
			return nil, err
		}
	}
	var resumed bool
	if j.state, resumed, err = j.openState(); err != nil {
		return nil, err
	}
	if j.total, err = d.highest(ctx, places); err != nil {
		return nil, err
	}
	for pass := 1; ; pass++ {
		changed, err := j.pass(ctx, places, pass == 1)
		if err != nil {
			return j.report, fmt.Errorf("%s, after which the same command goes on: %w", d.name, err)
		}
		if !j.Apply || changed == 0 && !resumed {
			break
		}
		// All is read again, from the start: only that shows that nothing is left.
		resumed, j.done = false, 0
		j.state.After = map[string]int64{}
		if pass == passes {
			return j.report, fmt.Errorf("%s: %d rows with addresses were written while the job ran: mask the wiki's clients first, then run it again", d.name, changed)
		}
	}
	for name := range d.tables {
		if j.Rename {
			j.report.Uncovered = append(j.report.Uncovered, d.uncovered(name)...)
		}
	}
	return j.report, j.state.remove()
}

// pass goes through all places once, and returns how many rows it changed.
func (j *Job) pass(ctx context.Context, places []place, first bool) (int64, error) {
	var changed int64
	j.report.Shared = 0
	for i, p := range places {
		n, err := j.walk(ctx, p, first)
		changed += n
		if first {
			j.report.Places = append(j.report.Places, Count{p.table + "." + p.columns[0], n})
		} else {
			j.report.Places[i].Changed += n
		}
		if err != nil {
			return changed, fmt.Errorf("%s.%s: %w", p.table, p.columns[0], err)
		}
	}
	n, err := j.merge(ctx)
	return changed + n, err
}

// walk goes through the rows of a place.
func (j *Job) walk(ctx context.Context, p place, first bool) (changed int64, err error) {
	name := p.table + "." + p.columns[0]
	after := j.state.after(name)
	if after != nil {
		j.done += after[0].(int64)
	}
	for {
		if err := j.wait(ctx); err != nil {
			return changed, err
		}
		rows, err := j.Database.read(ctx, p, after, j.Batch)
		if err != nil || len(rows) == 0 {
			return changed, err
		}
		n, err := j.maskRows(ctx, p, rows, first)
		changed += n
		if err != nil {
			return changed, err
		}
		j.moved(after, rows)
		after = rows[len(rows)-1].key
		if err := j.state.save(name, after); err != nil {
			return changed, err
		}
		if err := j.limit.WaitN(ctx, int(n)); err != nil {
			return changed, err
		}
	}
}

// moved tells of progress by the numbers of rows.
func (j *Job) moved(after []any, rows []row) {
	var from int64
	if after != nil {
		from, _ = number64(after[0])
	}
	if to, ok := number64(rows[len(rows)-1].key[0]); ok {
		j.done += to - from
	}
	if j.Progress != nil {
		j.Progress(min(j.done, j.total), j.total)
	}
}

// maskRows changes the rows of one batch in one transaction, if there are any to change.
func (j *Job) maskRows(ctx context.Context, p place, rows []row, first bool) (int64, error) {
	type change struct {
		row
		values []any
	}
	var changes []change
	for _, r := range rows {
		values, ok := p.mask(r.values)
		if ok {
			changes = append(changes, change{r, values})
		}
		if first {
			j.note(p, r, ok)
		}
	}
	if !j.Apply || len(changes) == 0 {
		return int64(len(changes)), nil
	}
	var changed int64
	before := *j.report
	err := j.Database.transaction(ctx, func(tx execer) error {
		for _, c := range changes {
			did, err := j.Database.set(ctx, tx, p, c.row, c.values)
			if isDuplicate(err) {
				did, err = j.clash(ctx, tx, p, c.row, c.values)
			}
			if err != nil {
				return err
			}
			if did {
				changed++
			}
		}
		return nil
	})
	if err != nil {
		j.report.Merged, j.report.Shared = before.Merged, before.Shared
		return 0, err
	}
	return changed, nil
}

// wait waits until the replicas have caught up.
func (j *Job) wait(ctx context.Context) error {
	for j.Lag != nil {
		lag, err := j.Lag(ctx)
		if err != nil || lag <= j.MaxLag {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return nil
}
