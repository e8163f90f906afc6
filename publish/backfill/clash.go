package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// clash deals with a row whose new values another row has already. It reports whether it changed anything.
func (j *Job) clash(ctx context.Context, tx execer, p place, r row, values []any) (bool, error) {
	switch p.twice {
	case drop:
		j.report.Merged++
		return j.Database.remove(ctx, tx, p, r)
	case skip:
		j.report.Shared++
		return false, nil
	case number:
		return j.numbered(ctx, tx, p, r, values)
	case merge:
		return false, j.remember(ctx, tx, p, r, values)
	case longer:
		return j.keepLonger(ctx, tx, p, r, values)
	}
	return false, errors.New("two rows would have the same unique values")
}

// mostNumbers is how many pages of one title get numbers.
const mostNumbers = 10000

// numbered gives a title the first number that is free.
func (j *Job) numbered(ctx context.Context, tx execer, p place, r row, values []any) (bool, error) {
	title, _ := textOf(values[0])
	for n := 2; n < mostNumbers; n++ {
		did, err := j.Database.set(ctx, tx, p, r, []any{like(values[0], title+"/"+strconv.Itoa(n))})
		if !isDuplicate(err) {
			return did, err
		}
	}
	return false, fmt.Errorf("more than %d pages would have one title", mostNumbers)
}

// remember notes which row stands for this one from now on; merge has it take this one's place.
func (j *Job) remember(ctx context.Context, tx execer, p place, r row, values []any) error {
	id, column := j.Database.key(p)[0], p.columns[0]
	query := fmt.Sprintf("SELECT b.%[2]s FROM %[1]s a JOIN %[1]s b ON b.%[3]s = ?", j.Database.quoted(p.table), id, column)
	if namespace := strings.TrimSuffix(column, "title") + "namespace"; j.Database.has(p.table, namespace) {
		query += fmt.Sprintf(" AND b.%[1]s = a.%[1]s", namespace)
	}
	var other int64
	if err := tx.QueryRowContext(ctx, query+" WHERE a."+id+" = ?", values[0], r.key[0]).Scan(&other); err != nil {
		return err
	}
	if j.twice[p.table] == nil {
		j.twice[p.table] = map[int64]int64{}
	}
	if this, ok := number64(r.key[0]); ok && this != other {
		j.twice[p.table][this] = other
	}
	return nil
}

// keepLonger keeps of two blocks that became one the one that ends last.
func (j *Job) keepLonger(ctx context.Context, tx execer, p place, r row, values []any) (bool, error) {
	id := j.Database.key(p)[0]
	query := fmt.Sprintf("SELECT b.%[2]s, b.%[4]s >= a.%[4]s FROM %[1]s a JOIN %[1]s b ON b.%[3]s = ?", j.Database.quoted(p.table), id, p.columns[0], p.expiry)
	if p.flag != "" {
		query += fmt.Sprintf(" AND b.%[1]s = a.%[1]s", p.flag)
	}
	var other int64
	var otherEndsLast bool
	if err := tx.QueryRowContext(ctx, query+" WHERE a."+id+" = ?", values[0], r.key[0]).Scan(&other, &otherEndsLast); err != nil {
		return false, err
	}
	gone := row{key: []any{other}}
	if otherEndsLast {
		gone = r
	}
	if j.Database.has("ipblocks_restrictions") && p.table == "ipblocks" {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+j.Database.quoted("ipblocks_restrictions")+" WHERE ir_ipb_id = ?", gone.key[0]); err != nil {
			return false, err
		}
	}
	did, err := j.Database.remove(ctx, tx, p, gone)
	j.report.Merged++
	if err != nil || otherEndsLast {
		return did, err
	}
	return j.Database.set(ctx, tx, p, r, values)
}

// merge has one row take the place of each that says the same, wherever these are referred to, and removes them.
func (j *Job) merge(ctx context.Context) (int64, error) {
	var merged int64
	for _, table := range []string{"actor", "linktarget"} {
		twice := j.twice[table]
		for ids := range slices.Chunk(slices.Sorted(maps.Keys(twice)), j.Batch) {
			n, err := j.mergeRows(ctx, table, ids, twice)
			merged += n
			if err != nil {
				return merged, fmt.Errorf("merging rows of %s: %w", table, err)
			}
		}
	}
	j.report.Merged += merged
	clear(j.twice)
	return merged, nil
}

func (j *Job) mergeRows(ctx context.Context, table string, ids []int64, twice map[int64]int64) (int64, error) {
	in := list(ids)
	references := j.Database.references(table)
	for _, p := range references {
		p.where = p.columns[0] + in
		p.mask = func(old []any) ([]any, bool) {
			id, _ := number64(old[0])
			other, ok := twice[id]
			return []any{other}, ok
		}
		var after []any
		for {
			rows, err := j.Database.read(ctx, p, after, j.Batch)
			if err != nil {
				return 0, err
			}
			if len(rows) == 0 {
				break
			}
			n, err := j.maskRows(ctx, p, rows, false)
			if err == nil {
				err = errors.Join(j.limit.WaitN(ctx, int(n)), j.wait(ctx))
			}
			if err != nil {
				return 0, fmt.Errorf("%s.%s: %w", p.table, p.columns[0], err)
			}
			after = rows[len(rows)-1].key
		}
	}
	var removed int64
	return removed, j.Database.transaction(ctx, func(tx execer) error {
		// What the wiki has written meanwhile keeps its row; the next pass finds it.
		id := j.Database.tables[table].key[0]
		where := id + in
		for _, p := range references {
			column := p.columns[0]
			where += " AND " + id + " NOT IN (SELECT " + column + " FROM " + j.Database.quoted(p.table) + " WHERE " + column + in + ")"
		}
		result, err := tx.ExecContext(ctx, "DELETE FROM "+j.Database.quoted(table)+" WHERE "+where)
		if err != nil {
			return err
		}
		removed, err = result.RowsAffected()
		return err
	})
}

// list writes numbers as SQL's IN wants them.
func list(ids []int64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return " IN (" + strings.Join(texts, ",") + ")"
}

// references lists the columns that refer to rows of actor or of linktarget.
func (d *Database) references(to string) []place {
	var all []place
	for name, t := range d.tables {
		for column := range t.columns {
			isActor := to == "actor" && strings.HasSuffix(column, "_actor")
			isTarget := to == "linktarget" && strings.HasSuffix(column, "_target_id") && strings.HasSuffix(name, "links")
			if name != to && (isActor || isTarget) {
				all = append(all, place{table: name, columns: []string{column}, twice: drop})
			}
		}
	}
	slices.SortFunc(all, func(a, b place) int { return strings.Compare(a.table+"."+a.columns[0], b.table+"."+b.columns[0]) })
	return all
}

// registered returns the names of accounts that look like addresses.
func (d *Database) registered(ctx context.Context) (map[string]bool, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT user_name FROM "+d.quoted("user")+" WHERE user_name LIKE '%.%.%.%' OR user_name LIKE '%:%:%'")
	if err != nil {
		return nil, fmt.Errorf("reading the accounts of %s: %w", d.name, err)
	}
	defer rows.Close()
	found := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		found[name] = true
	}
	return found, rows.Err()
}

// highest returns the sum of the highest numbers of places' rows: about how many there are.
func (d *Database) highest(ctx context.Context, places []place) (int64, error) {
	var sum int64
	for _, p := range places {
		if len(d.key(p)) > 1 {
			continue
		}
		var most any
		if err := d.db.QueryRowContext(ctx, "SELECT MAX("+d.key(p)[0]+") FROM "+d.quoted(p.table)).Scan(&most); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("reading %s: %w", p.table, err)
		}
		n, _ := number64(most)
		sum += n
	}
	return sum, nil
}
