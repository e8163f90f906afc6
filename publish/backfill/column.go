package backfill

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// maskColumn is the column of actor that is filled.
const maskColumn = "actor_mask"

// ErrNoColumn is that there is none to fill.
var ErrNoColumn = errors.New("the table actor has no column " + maskColumn)

// AddColumn adds the column that is filled, varbinary(255) NULL UNIQUE, unless it is there.
func (d *Database) AddColumn(ctx context.Context) error {
	if err := d.check(); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	if d.has("actor", maskColumn) {
		return nil
	}
	actor := d.quoted("actor")
	add := []string{"ALTER TABLE " + actor + " ADD COLUMN " + maskColumn + " VARBINARY(255) NULL, ADD UNIQUE INDEX " + maskColumn + " (" + maskColumn + ")"}
	if d.lite {
		add = []string{"ALTER TABLE " + actor + " ADD COLUMN " + maskColumn + " BLOB DEFAULT NULL",
			"CREATE UNIQUE INDEX " + d.quoted(maskColumn) + " ON " + actor + " (" + maskColumn + ")"}
	}
	err := d.transaction(ctx, func(tx execer) error {
		for _, statement := range add {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("adding %s to the table actor of %s: %w", maskColumn, d.name, err)
	}
	d.tables["actor"].columns[maskColumn] = true
	return nil
}

// columnPlace is the one place of a job that fills the column.
func (j *Job) columnPlace() ([]place, error) {
	p := place{table: "actor", columns: []string{"actor_name"}, where: "actor_user IS NULL", mask: as(j.names.name), twice: skip}
	switch {
	case j.Database.has("actor", maskColumn):
		p.columns, p.where = append(p.columns, maskColumn), p.where+" AND "+maskColumn+" IS NULL"
		p.mask = func(old []any) ([]any, bool) {
			name, _ := textOf(old[0])
			mask, ok := j.names.name(name)
			return []any{old[0], like(old[0], mask)}, ok
		}
	case j.Apply:
		return nil, ErrNoColumn
	}
	return []place{p}, nil
}

// almostAddress is what MediaWiki takes for the name of an unregistered user, and may be no address.
var almostAddress = regexp.MustCompile(`^\d{1,3}\.\d{1,3}\.\d{1,3}\.(xxx|\d{1,3})$`)

// note counts what the report tells of a row besides.
func (j *Job) note(p place, r row, masked bool) {
	text, _ := textOf(r.values[0])
	switch p.table {
	case "actor":
		if addr, ok := wikiname.Parse(text); !masked && almostAddress.MatchString(text) && (!ok || !masking.Is(addr)) {
			j.report.Odd++
		}
	case "ipblocks", "block_target", "globalblocks":
		prefix, ok := wikiname.ParseRange(text)
		if !masked || !ok || j.Masker.OneClient(prefix) {
			return
		}
		family := "IPv4"
		if prefix.Addr().Is6() {
			family = "IPv6"
		}
		j.report.Ranges[fmt.Sprintf("%s /%d", family, prefix.Bits())]++
	}
}
