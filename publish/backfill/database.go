package backfill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A Database is a wiki's, in MariaDB, MySQL or SQLite.
type Database struct {
	db     *sql.DB
	name   string // without a password
	prefix string
	lite   bool
	tables map[string]*table // by their names without the prefix
}

// A table is what is known of one.
type table struct {
	columns map[string]bool
	key     []string // the columns of the primary key
}

// Open opens a wiki's database and reads what tables it has. The DSN is sqlite:PATH, or what go-sql-driver/mysql takes, such as
// user:password@unix(/run/mysqld/mysqld.sock)/wiki or user:password@tcp(db.example.org:3306)/wiki. The prefix is $wgDBprefix.
func Open(ctx context.Context, dsn, prefix string) (*Database, error) {
	d := &Database{prefix: prefix}
	var err error
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("opening the wiki's database: %w", err)
		}
		d.lite, d.name = true, "sqlite:"+path
		file := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "mode=rw&_txlock=immediate&_pragma=busy_timeout(60000)"}
		d.db, err = sql.Open("sqlite", file.String())
	} else {
		var config *mysql.Config
		if config, err = mysql.ParseDSN(strings.TrimPrefix(dsn, "mysql:")); err != nil {
			// The driver's error may hold the password.
			return nil, errors.New("the DSN is neither sqlite:PATH nor user:password@unix(/path/to/socket)/database nor user:password@tcp(host:port)/database")
		}
		if config.DBName == "" {
			return nil, errors.New("the DSN names no database: it ends with /DATABASE")
		}
		config.InterpolateParams, config.MultiStatements = true, false
		d.name = "mysql:" + config.Addr + "/" + config.DBName
		d.db, err = openMySQL(config)
	}
	if err != nil {
		return nil, err
	}
	d.db.SetMaxOpenConns(1)
	if err := d.readTables(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the tables of %s: %w", d.name, err), d.Close())
	}
	return d, nil
}

func openMySQL(config *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Close closes the database.
func (d *Database) Close() error { return d.db.Close() }

// Both list a table, a column and the column's place in the primary key, which is 0 if it isn't in it.
const (
	liteColumns = `SELECT m.name, c.name, c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY m.name, c.pk`
	myColumns   = `SELECT c.table_name, c.column_name, COALESCE(s.seq_in_index, 0) FROM information_schema.columns c
		LEFT JOIN information_schema.statistics s ON s.table_schema = c.table_schema AND s.table_name = c.table_name
			AND s.column_name = c.column_name AND s.index_name = 'PRIMARY'
		WHERE c.table_schema = DATABASE() ORDER BY 1, 3`
)

func (d *Database) readTables(ctx context.Context) error {
	query := myColumns
	if d.lite {
		query = liteColumns
	}
	rows, err := d.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	d.tables = map[string]*table{}
	for rows.Next() {
		var name, column string
		var place int
		if err := rows.Scan(&name, &column, &place); err != nil {
			return err
		}
		name, ok := strings.CutPrefix(name, d.prefix)
		if !ok {
			continue
		}
		t := d.tables[name]
		if t == nil {
			t = &table{columns: map[string]bool{}}
			d.tables[name] = t
		}
		t.columns[column] = true
		if place > 0 {
			t.key = append(t.key, column)
		}
	}
	return rows.Err()
}

// has reports whether a table is there with all these columns.
func (d *Database) has(name string, columns ...string) bool {
	t := d.tables[name]
	for _, column := range columns {
		if t == nil || !t.columns[column] {
			return false
		}
	}
	return t != nil
}

// quoted is a table's name for a statement. All names come from this package or the database's own schema.
func (d *Database) quoted(name string) string {
	return "`" + strings.ReplaceAll(d.prefix+name, "`", "``") + "`"
}

// isDuplicate reports whether a statement failed because a row with these values is there.
func isDuplicate(err error) bool {
	const duplicateEntry = 1062 // ER_DUP_ENTRY
	if my := new(mysql.MySQLError); errors.As(err, &my) {
		return my.Number == duplicateEntry
	}
	lite := new(sqlite.Error)
	return errors.As(err, &lite) && (lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
