package networkfeed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/wikiveil/wikiveil/internal/shareddoc"
	"github.com/wikiveil/wikiveil/masking/networklist"
)

// snapshot is a good list, as it is stored and held: its ranges take a few bytes each.
type snapshot struct {
	From     string    `json:"from"`
	Time     time.Time `json:"time"` // when the file was written, or the list fetched
	ETag     string    `json:"etag,omitempty"`
	Modified string    `json:"modified,omitempty"` // as the header Last-Modified said
	Ranges   int       `json:"ranges"`
	Lines    []byte    `json:"lines"` // gzip (RFC 1952) of CIDR ranges, one a line
}

// read makes a snapshot of a list.
func read(list networklist.List, from io.Reader) (*snapshot, error) {
	var packed bytes.Buffer
	out := gzip.NewWriter(&packed)
	var line []byte
	count, err := list.Read(from, func(p netip.Prefix) {
		line = append(p.AppendTo(line[:0]), '\n')
		out.Write(line) // into memory, which doesn't fail
	})
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, err
	}
	return &snapshot{Ranges: count, Lines: bytes.Clone(packed.Bytes())}, nil
}

// each gives all ranges of the list.
func (s *snapshot) each(do func(netip.Prefix)) error {
	in, err := gzip.NewReader(bytes.NewReader(s.Lines))
	if err != nil {
		return err
	}
	lines, count := bufio.NewScanner(in), 0
	for lines.Scan() {
		prefix, err := netip.ParsePrefix(lines.Text())
		if err != nil {
			return err
		}
		do(prefix.Masked())
		count++
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if count != s.Ranges {
		return fmt.Errorf("it has %d ranges, and says %d", count, s.Ranges)
	}
	return nil
}

// form is how snapshots are stored.
var form = shareddoc.JSON(func(s snapshot) error {
	if s.Ranges <= 0 || s.Ranges > networklist.MaxRanges {
		return fmt.Errorf("%w: %d ranges", shareddoc.ErrDamaged, s.Ranges)
	}
	if err := s.each(func(netip.Prefix) {}); err != nil {
		return fmt.Errorf("%w: %w", shareddoc.ErrDamaged, err)
	}
	return nil
})
