package db

import (
	"bytes"
	"context"
	"errors"
)

// PretendMigration notes that a migration of a newer program has run.
func PretendMigration(ctx context.Context, d *DB, version int64) error {
	return d.Write(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "insert into goose_db_version (version_id, is_applied) values (?, ?)", version, true)
		return err
	})
}

// DumpAsItIs dumps a database without bringing it up to date.
func DumpAsItIs(ctx context.Context, location string) ([]byte, error) {
	d, err := connect(location)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = d.Read(ctx, func(tx *Tx) error { return tx.Dump(ctx, &b, DumpHead{}) })
	return b.Bytes(), errors.Join(err, d.Close())
}

// Touch reads something.
func Touch(ctx context.Context, tx *Tx) error {
	_, err := tx.Tables(ctx)
	return err
}
