package catalog

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// sqlite is the dialect of a file.
func sqlite(path string) *dialect {
	return &dialect{
		connect: func() (read, write *sql.DB, err error) {
			if err := private(path); err != nil {
				return nil, nil, err
			}
			if read, err = sql.Open("sqlite", address(path, "deferred", 8<<20)); err != nil {
				return nil, nil, err
			}
			if write, err = sql.Open("sqlite", address(path, "immediate", 64<<20)); err != nil {
				return read, nil, err
			}
			read.SetMaxOpenConns(8)
			write.SetMaxOpenConns(1)
			return read, write, nil
		},
		isolation: sql.LevelDefault,
		alone:     func(_ context.Context, fn func() error) error { return fn() },
		drop:      func(context.Context) error { return removeFiles(path) },
		schema:    sqliteSchema,
		missing:   func(err error) bool { return strings.Contains(err.Error(), "no such table") },
		damaged:   isCode(codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB),
		names: func(p pattern) (string, []any) {
			condition, args := sqliteCheck(p)
			return `SELECT n.id FROM grams CROSS JOIN names n ON n.id = grams.rowid WHERE grams MATCH ? AND ` + condition,
				append([]any{p.trigrams()}, args...)
		},
		column:     "grams.rowid",
		ranges:     1, // the index takes one, and would read through all else
		check:      sqliteCheck,
		indexNames: true,
	}
}

// address returns how the driver wants a file named. Each connection keeps as many bytes of it in memory. No power cut
// damages a file that is written like this; the last changes may be gone, with their marks.
func address(path, lock string, cache int) string {
	set := url.Values{"_txlock": {lock}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "temp_store(MEMORY)",
		"cache_size(-" + strconv.Itoa(cache>>10) + ")", "wal_autocheckpoint(8000)", // pages: what changes often is written to its place seldom
	}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + set.Encode()
}

// private sees to it that nobody else can read the file, which tells all names. To a file that is gone belongs nothing that lies
// beside it.
func private(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := removeFiles(path); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func removeFiles(path string) error {
	var errs []error
	for _, name := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sqliteSchema keeps rows of versions in the tree of their key, and trigrams without the text that they are of.
func sqliteSchema() []string {
	all := statements(tables)
	for i, statement := range all {
		if strings.Contains(statement, "TABLE versions") {
			all[i] += " WITHOUT ROWID"
		}
		all[i] = strings.Replace(all[i], "id BIGINT PRIMARY KEY", "id INTEGER PRIMARY KEY", 1)
	}
	return append(all, `CREATE VIRTUAL TABLE grams USING fts5(folded, content='', contentless_delete=1, detail=none,
		tokenize='trigram case_sensitive 1')`)
}

func sqliteCheck(p pattern) (string, []any) {
	if p.start {
		return `substr(n.folded, 1, length(?)) = ?`, []any{p.text, p.text}
	}
	return `instr(n.folded, ?) > 0`, []any{p.text}
}

func isCode(codes ...int) func(error) bool {
	return func(err error) bool {
		var e *driver.Error
		if !errors.As(err, &e) {
			return false
		}
		for _, code := range codes {
			if e.Code()&0xff == code {
				return true
			}
		}
		return false
	}
}
