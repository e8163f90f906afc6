package networklist

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

func readCSV(from *bufio.Reader, to *adder) error {
	rows := csv.NewReader(from)
	rows.Comment, rows.FieldsPerRecord, rows.ReuseRecord, rows.TrimLeadingSpace = '#', -1, true, true
	for first := true; ; first = false {
		row, err := rows.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case first && namesColumns(row):
			continue
		}
		if err := to.row(row); err != nil {
			line, _ := rows.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func (a *adder) row(row []string) error {
	start := strings.TrimSpace(row[0])
	if len(row) > 1 && isAddr(start) && isAddr(row[1]) {
		return a.span(start, row[1])
	}
	return a.text(start)
}

func isAddr(text string) bool {
	_, err := netip.ParseAddr(strings.TrimSpace(text))
	return err == nil
}

// namesColumns reports whether a row has names and nothing else.
func namesColumns(row []string) bool { return !strings.ContainsAny(row[0], ".:/") }
