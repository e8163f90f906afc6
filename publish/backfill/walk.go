package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// A row is one that a walk reads: the key's values, then the columns'.
type row struct{ key, values []any }

// key is what rows of a place are told apart by; without a primary key, the columns themselves.
func (d *Database) key(p place) []string {
	if key := d.tables[p.table].key; len(key) > 0 {
		return key
	}
	return p.columns[:1]
}

// read reads the rows behind a key in the key's order, no more than most.
func (d *Database) read(ctx context.Context, p place, after []any, most int) ([]row, error) {
	key := d.key(p)
	columns := append(append([]string{}, key...), p.columns...)
	var where []string
	if p.where != "" {
		where = append(where, "("+p.where+")")
	}
	var args []any
	if after != nil {
		// Spelt out, because MariaDB uses no index for (a, b) > (x, y).
		var any []string
		for i := range key {
			any = append(any, strings.Join(append(equal(key[:i]), "`"+key[i]+"` > ?"), " AND "))
			args = append(append(args, after[:i]...), after[i])
		}
		where = append(where, "("+strings.Join(any, " OR ")+")")
	}
	query := "SELECT `" + strings.Join(columns, "`, `") + "` FROM " + d.quoted(p.table)
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += fmt.Sprintf(" ORDER BY `%s` LIMIT %d", strings.Join(key, "`, `"), most)
	rows, err := d.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []row
	for rows.Next() {
		all := make([]any, len(columns))
		to := make([]any, len(columns))
		for i := range all {
			to[i] = &all[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		found = append(found, row{all[:len(key)], all[len(key):]})
	}
	return found, rows.Err()
}

func equal(columns []string) []string {
	conditions := make([]string, len(columns))
	for i, column := range columns {
		conditions[i] = "`" + column + "` = ?"
	}
	return conditions
}

// An execer runs statements, in a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// set puts new values into a row that still is as it was read, and reports whether it was.
func (d *Database) set(ctx context.Context, tx execer, p place, r row, values []any) (bool, error) {
	key := d.key(p)
	args := append(append([]any{}, values...), r.key...)
	where := append(equal(key), "`"+p.columns[0]+"` = ?")
	args = append(args, r.values[0])
	if p.where != "" && len(d.tables[p.table].key) == 0 {
		where = append(where, "("+p.where+")")
	}
	result, err := tx.ExecContext(ctx, "UPDATE "+d.quoted(p.table)+" SET "+strings.Join(equal(p.columns), ", ")+" WHERE "+strings.Join(where, " AND "), args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func (d *Database) remove(ctx context.Context, tx execer, p place, r row) (bool, error) {
	result, err := tx.ExecContext(ctx, "DELETE FROM "+d.quoted(p.table)+" WHERE "+strings.Join(equal(d.key(p)), " AND "), r.key...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// transaction runs f in a transaction that lasts no longer than f.
func (d *Database) transaction(ctx context.Context, f func(execer) error) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// number64 returns a value that is an integer, as that of a key.
func number64(value any) (int64, bool) {
	switch v := value.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(v), true
	case []byte:
		var n int64
		_, err := fmt.Sscan(string(v), &n)
		return n, err == nil
	}
	return 0, false
}
