package reports

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

const secondsAnHour = 3600

// A point is how much there was in an hour, numbered from the Unix epoch on in UTC.
type point struct {
	hour, count uint32
}

// A series is the hours that have anything, in order.
type series []point

func hourOf(unix int64) uint32 { return uint32(max(unix, 0) / secondsAnHour) }

func (s *series) add(hour uint32, n uint64) {
	if n == 0 {
		return
	}
	if last := len(*s) - 1; last >= 0 && (*s)[last].hour == hour { // nearly always
		(*s)[last].count = saturated((*s)[last].count, n)
		return
	}
	i, found := slices.BinarySearchFunc(*s, hour, func(p point, hour uint32) int { return int(p.hour) - int(hour) })
	if !found {
		*s = slices.Insert(*s, i, point{hour: hour})
	}
	(*s)[i].count = saturated((*s)[i].count, n)
}

func (s *series) merge(o series) {
	for _, p := range o {
		s.add(p.hour, uint64(p.count))
	}
}

func (s series) sum() (total uint64) {
	for _, p := range s {
		total += uint64(p.count)
	}
	return total
}

// all yields the hours by their start.
func (s series) all() iter.Seq2[time.Time, uint64] {
	return func(yield func(time.Time, uint64) bool) {
		for _, p := range s {
			if !yield(time.Unix(int64(p.hour)*secondsAnHour, 0).UTC(), uint64(p.count)) {
				return
			}
		}
	}
}

// MarshalText writes "hour:count hour:count".
func (s series) MarshalText() ([]byte, error) {
	var b []byte
	for i, p := range s {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(p.hour), 10)
		b = append(b, ':')
		b = strconv.AppendUint(b, uint64(p.count), 10)
	}
	return b, nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *series) UnmarshalText(text []byte) error {
	*s = nil
	for field := range strings.FieldsSeq(string(text)) {
		left, right, found := strings.Cut(field, ":")
		hour, err1 := strconv.ParseUint(left, 10, 32)
		count, err2 := strconv.ParseUint(right, 10, 32)
		if err := errors.Join(err1, err2); err != nil || !found {
			return fmt.Errorf("%q is not an hour's count", field)
		}
		if last := len(*s) - 1; last >= 0 && (*s)[last].hour >= uint32(hour) {
			return errors.New("hours are out of order")
		}
		*s = append(*s, point{uint32(hour), uint32(count)})
	}
	return nil
}

// saturated is a+n, or the most there is.
func saturated(a uint32, n uint64) uint32 {
	return uint32(min(uint64(a)+min(n, math.MaxUint32), math.MaxUint32))
}
