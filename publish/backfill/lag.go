package backfill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Lag tells how far a replica of MariaDB or MySQL is behind.
func (d *Database) Lag(ctx context.Context) (time.Duration, error) {
	rows, err := d.db.QueryContext(ctx, "SHOW REPLICA STATUS")
	if err != nil { // up to MariaDB 10.5.0 and MySQL 8.0.21
		rows, err = d.db.QueryContext(ctx, "SHOW SLAVE STATUS")
	}
	if err != nil {
		return 0, fmt.Errorf("asking the replica %s how far it is behind: %w", d.name, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	if !rows.Next() {
		return 0, errors.Join(fmt.Errorf("%s is no replica", d.name), rows.Err())
	}
	values, to := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		to[i] = &values[i]
	}
	if err := rows.Scan(to...); err != nil {
		return 0, err
	}
	for i, column := range columns {
		if strings.HasPrefix(column, "Seconds_Behind_") {
			seconds, ok := number64(values[i])
			if !ok {
				return 0, fmt.Errorf("replication to %s has stopped", d.name)
			}
			return time.Duration(seconds) * time.Second, nil
		}
	}
	return 0, fmt.Errorf("%s doesn't tell how far it is behind", d.name)
}
