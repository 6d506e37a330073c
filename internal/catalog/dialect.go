package catalog

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
)

// format is the number of the schema. A catalogue of another format is made anew.
const format = 1

// forever is the moment by which no version is gone yet; it takes six bytes in SQLite, not eight.
const forever = 1<<47 - 1

// dialect is what differs between the two databases.
type dialect struct {
	connect      func() (read, write *sql.DB, err error)
	alone        func(ctx context.Context, fn func() error) error // calls fn while nobody else makes the catalogue anew
	drop         func(ctx context.Context) error
	schema       func() []string
	missing      func(err error) bool // the error means that there is no catalogue
	damaged      func(err error) bool // the error means that the file is no database, or not a sound one
	numbered     bool                 // placeholders are $1, $2
	isolation    sql.IsolationLevel   // by which a transaction sees one moment
	lock, unlock string               // statements by which writers wait for each other
	settle       []string             // what makes answers quick after many changes

	// names returns the beginning of a query for names n that match, and need not be checked again, up to the first condition.
	names func(p pattern) (query string, args []any)
	// column is the number of a name in that query.
	column string
	// ranges is how many ranges of names one such query takes.
	ranges int
	// check returns the condition that a name n matches.
	check func(p pattern) (condition string, args []any)
	// indexNames says that new names are put into a table of their own for searching.
	indexNames bool
}

// dialectOf returns the dialect of a postgres:// URL, or else of SQLite.
func dialectOf(url string) (*dialect, error) {
	switch {
	case url == "":
		return nil, errors.New("it has no address")
	case strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://"):
		return postgres(url)
	}
	return sqlite(url), nil
}

// bind numbers the placeholders where the database wants it. No statement has a question mark of another meaning.
func (d *dialect) bind(query string) string {
	if !d.numbered {
		return query
	}
	var b strings.Builder
	for n := 1; ; n++ {
		i := strings.IndexByte(query, '?')
		if i < 0 {
			b.WriteString(query)
			return b.String()
		}
		b.WriteString(query[:i] + "$" + strconv.Itoa(n))
		query = query[i+1:]
	}
}

// tables are those of both databases.
//
// A name and a directory have numbers of their source's own: the source's number in the upper half, see span. The
// same name is in hash twice only by accident. A moment is a time at which versions begin, and stays when its snapshot
// goes, as long as they do.
const tables = `
CREATE TABLE format (number BIGINT NOT NULL, dirs BIGINT NOT NULL);
CREATE TABLE sources (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, names BIGINT NOT NULL);
CREATE TABLE series (id BIGINT PRIMARY KEY, source BIGINT NOT NULL, repository TEXT NOT NULL);
CREATE TABLE snapshots (series BIGINT NOT NULL, moment BIGINT NOT NULL, state SMALLINT NOT NULL, repository TEXT NOT NULL,
	identity BLOB NOT NULL, tree BLOB NOT NULL, time BIGINT NOT NULL, lost BIGINT NOT NULL, PRIMARY KEY (series, moment),
	UNIQUE (repository, identity));
CREATE INDEX snapshots_unfinished ON snapshots (series) WHERE state <> 0;
CREATE TABLE moments (series BIGINT NOT NULL, moment BIGINT NOT NULL, versions BIGINT NOT NULL, PRIMARY KEY (series, moment));
CREATE INDEX moments_by_time ON moments (moment, series);
CREATE TABLE names (id BIGINT PRIMARY KEY, hash BIGINT NOT NULL, folded TEXT NOT NULL, name BLOB);
CREATE INDEX names_by_hash ON names (hash);
CREATE TABLE dirs (id BIGINT PRIMARY KEY, source BIGINT NOT NULL, hash BIGINT NOT NULL, name BIGINT, path BLOB NOT NULL);
CREATE INDEX dirs_by_hash ON dirs (hash);
CREATE INDEX dirs_by_name ON dirs (name);
CREATE INDEX dirs_by_path ON dirs (source, substr(path, 1, 500));
CREATE TABLE versions (dir BIGINT NOT NULL, name BIGINT NOT NULL, series BIGINT NOT NULL, first BIGINT NOT NULL, until BIGINT NOT NULL,
	type SMALLINT NOT NULL, size BIGINT NOT NULL, mtime BIGINT NOT NULL, content BIGINT NOT NULL,
	PRIMARY KEY (dir, name, series, first));
CREATE INDEX versions_by_begin ON versions (series, first, dir, name);
CREATE INDEX versions_by_end ON versions (series, until) WHERE until < 140737488355327;
CREATE INDEX versions_by_name ON versions (name);`

// statements returns the SQL of the tables, one for each.
func statements(text string) []string {
	return strings.Split(strings.TrimSuffix(strings.TrimSpace(text), ";"), ";")
}

// span returns the first and the last number that names of a source have.
func span(source int64) (first, last int64) { return source << 32, source<<32 + (1<<32 - 1) }
