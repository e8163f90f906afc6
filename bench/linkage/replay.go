package linkage

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What follows lets a real edge and a real tool take the model's place: ask for each
// of a [Day]'s Requests at its time, and give the tool's log to [Day.Logged].

// Path is the URL path by which a key is asked for. It shows the kind and nothing more
// than the key does.
func (d *Day) Path(key Key) string {
	form := [kinds]string{Asset: "/style/%d.css", Image: "/image/%d.png", Data: "/data/%d", Lookup: "/lookup/%d"}
	return fmt.Sprintf(form[d.keys[key].kind], key)
}

// KeyOf reads a path that [Day.Path] made.
func (d *Day) KeyOf(path string) (Key, bool) {
	name := path[strings.LastIndexByte(path, '/')+1:]
	number, _, _ := strings.Cut(name, ".")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(d.keys) || d.Path(Key(n)) != path {
		return 0, false
	}
	return Key(n), true
}

// KindOf tells what a key is for.
func (d *Day) KindOf(key Key) Kind { return d.keys[key].kind }

// Lifetime is how long the tool lets the answer for a key be kept.
func (d *Day) Lifetime(key Key) time.Duration { return d.lifetime(key) }

// Refreshed are the keys that [Measures] with this share of pages refresh, at the
// day's start.
func (d *Day) Refreshed(share float64) (list []Key) {
	pages := refreshedPages(d, share)
	for key, info := range d.keys {
		if share > 0 && d.lifetime(Key(key)) > 0 && info.edit < 0 && info.page < pages && int(info.page) < d.World.Pages {
			list = append(list, Key(key))
		}
	}
	return list
}

// Sent is a line of a real tool's log that readers caused.
type Sent struct {
	At      time.Duration // since midnight
	Key     Key
	Readers []int32 // who waited for it
}

// Logged makes a log of what a real tool was asked over connections that all share.
// Lines that no reader caused are scheduled, and the attacker leaves them out.
func (d *Day) Logged(sent []Sent) *Log {
	log := &Log{}
	for _, s := range sent {
		if len(s.Readers) > 0 {
			log.Entries = append(log.Entries, Entry{At: s.At, Key: s.Key, Conn: sharedConn, asker: s.Readers[0], others: s.Readers[1:]})
		}
	}
	slices.SortStableFunc(log.Entries, func(a, b Entry) int { return cmp.Compare(a.At, b.At) })
	return log
}
