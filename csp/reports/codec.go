package reports

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/wikiveil/wikiveil/internal/kv"
)

// dayJSON is how a day is stored.
type dayJSON struct {
	Groups  summaryJSON        `json:"groups"`
	Origins summaryJSON        `json:"origins"`
	Views   series             `json:"views"`
	Reports series             `json:"reports"`
	Counts  counts             `json:"counts"`
	Writers map[string]written `json:"writers"`
	// Enforced is missing where no policy was rolled out.
	Enforced series `json:"enforced,omitempty"`
}

type summaryJSON struct {
	Entries []entryJSON `json:"entries"`
	Lost    uint64      `json:"lost,omitempty"`
}

type entryJSON struct {
	Report
	Seen   uint64 `json:"seen"`
	Missed uint64 `json:"missed,omitempty"`
	Weight uint64 `json:"weight"`
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
	Hours  series `json:"hours"`
}

func (d *day) encode() ([]byte, error) {
	return json.Marshal(dayJSON{d.groups.encode(), d.origins.encode(), d.views, d.reports, d.counts, d.writers, d.enforced})
}

func (s *summary) encode() summaryJSON {
	j := summaryJSON{Entries: make([]entryJSON, 0, len(s.entries)), Lost: s.lost}
	for key, e := range s.entries {
		j.Entries = append(j.Entries, entryJSON{key, e.seen, e.missed, e.weight, e.first, e.last, e.hours})
	}
	return j
}

// decode reads the stored value of a day.
func (c *Collector) decode(name string, data []byte) (*day, error) {
	d, err := decodeDay(data, c.config.Groups)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// decodeDay reads a stored day; none is an empty one.
func decodeDay(data []byte, limit int) (*day, error) {
	d := newDay(limit)
	if data == nil {
		return d, nil
	}
	var j dayJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, fmt.Errorf("%w: reading a day of reports: %w", kv.ErrDamaged, err)
	}
	d.groups.decode(j.Groups)
	d.origins.decode(j.Origins)
	d.views, d.reports, d.enforced = j.Views, j.Reports, j.Enforced
	d.counts.merge(j.Counts)
	maps.Copy(d.writers, j.Writers)
	return d, nil
}

func (s *summary) decode(j summaryJSON) {
	s.lost = j.Lost
	for _, e := range j.Entries {
		s.entries[e.Report] = &entry{e.Seen, e.Missed, e.Weight, e.First, e.Last, e.Hours}
	}
	s.prune() // the limit may have been lowered
}
