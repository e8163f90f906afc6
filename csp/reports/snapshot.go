package reports

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Snapshot is what was counted over some days, in UTC. In JSON it is without what was
// counted by the hour.
type Snapshot struct {
	// First and Last are the days, at their starts.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Groups are the most frequent first.
	Groups []Group `json:"groups"`
	// Origins are groups without Gadget and Page. Where a resource is blocked on very
	// many pages, only these have it right.
	Origins []Group `json:"origins"`
	// Accepted is how many reports were counted, PageViews how many pages were shown.
	Accepted  uint64 `json:"accepted"`
	PageViews uint64 `json:"page_views"`
	// Noise, Bad, Limited and Refused count what was not, by reason; Refused counts
	// requests, the others reports.
	Noise   map[Reason]uint64 `json:"noise,omitempty"`
	Bad     map[Reason]uint64 `json:"bad,omitempty"`
	Limited map[Reason]uint64 `json:"limited,omitempty"`
	Refused map[Reason]uint64 `json:"refused,omitempty"`
	// Lost is how often at most a group was reported that is not among Groups, LostOrigins
	// the same for Origins. 0 means that all groups are here, with exact counts.
	Lost        uint64 `json:"lost,omitempty"`
	LostOrigins uint64 `json:"lost_origins,omitempty"`

	reports, views, enforced series
}

// A Group is how often equal reports came.
type Group struct {
	Report
	// Count is how many were surely sent. It is exact where Missed is 0; at most
	// Count+Missed were sent.
	Count  uint64 `json:"count"`
	Missed uint64 `json:"missed,omitempty"`
	// First and Last are when, to the second.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`

	hours series
}

// Hours yields the hours that have reports, in order.
func (g Group) Hours() iter.Seq2[time.Time, uint64] { return g.hours.all() }

// Snapshot returns what was counted on the days of first to last by all nodes, and
// by this one up to now.
//
// Errors: those of [kv.Store].Get.
func (c *Collector) Snapshot(ctx context.Context, first, last time.Time) (*Snapshot, error) {
	from, to := dayName(first), dayName(last)
	if from > to {
		return nil, errors.New("taking a snapshot: it ends before it starts")
	}
	c.flushing.Lock()
	defer c.flushing.Unlock()
	stored, err := c.load(ctx, first, last)
	if err != nil {
		return nil, err
	}
	all := newDay(c.config.Groups)
	for _, name := range slices.Sorted(maps.Keys(stored)) {
		d, err := c.decode(name, stored[name])
		if err != nil {
			return nil, err
		}
		// A failed write may have been done all the same.
		for _, p := range c.pending {
			if p.name == name {
				d.mergeOnce(c.writer, p.sequence, time.Now(), p.day)
			}
		}
		all.merge(d)
	}
	for _, p := range c.pending {
		if _, merged := stored[p.name]; !merged && from <= p.name && p.name <= to {
			all.merge(p.day)
		}
	}
	c.mergeCurrent(all, from, to)
	return all.snapshot(first, last), nil
}

// mergeCurrent adds what was not written yet.
func (c *Collector) mergeCurrent(all *day, from, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, d := range c.current {
		if from <= name && name <= to {
			all.merge(d)
		}
	}
	now := time.Now()
	if today := dayName(now); from <= today && today <= to {
		all.views.add(hourOf(now.Unix()), c.views.Load())
		all.enforced.add(hourOf(now.Unix()), c.enforced.Load())
	}
}

func (d *day) snapshot(first, last time.Time) *Snapshot {
	return &Snapshot{
		First: first.UTC().Truncate(24 * time.Hour), Last: last.UTC().Truncate(24 * time.Hour),
		Groups: d.groups.list(), Origins: d.origins.list(),
		Accepted: d.reports.sum(), PageViews: d.views.sum(),
		Noise: d.counts[classNoise], Bad: d.counts[classBad],
		Limited: d.counts[classLimited], Refused: d.counts[classRefused],
		Lost: d.groups.lost, LostOrigins: d.origins.lost,
		reports: d.reports, views: d.views, enforced: d.enforced,
	}
}

func (s *summary) list() []Group {
	list := make([]Group, 0, len(s.entries))
	for key, e := range s.entries {
		list = append(list, Group{
			Report: key, Count: e.seen, Missed: e.missed,
			First: time.Unix(e.first, 0).UTC(), Last: time.Unix(e.last, 0).UTC(), hours: e.hours,
		})
	}
	sortGroups(list)
	return list
}

func sortGroups(list []Group) {
	slices.SortFunc(list, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Blocked, b.Blocked),
			strings.Compare(a.Directive, b.Directive), strings.Compare(a.Gadget, b.Gadget),
			strings.Compare(a.Page, b.Page), strings.Compare(string(a.Disposition), string(b.Disposition)))
	})
}

// Hours yields the accepted reports of each hour that has any, in order.
func (s *Snapshot) Hours() iter.Seq2[time.Time, uint64] { return s.reports.all() }

// ViewHours yields the page views of each hour that has any, in order.
func (s *Snapshot) ViewHours() iter.Seq2[time.Time, uint64] { return s.views.all() }

// EnforcedViewHours yields the page views of each hour that has any with the policy
// enforced, in order. They are among [Snapshot.ViewHours].
func (s *Snapshot) EnforcedViewHours() iter.Seq2[time.Time, uint64] { return s.enforced.all() }
