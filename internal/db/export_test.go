package db

import "context"

// PretendMigration notes that a migration of a newer program has run.
func PretendMigration(ctx context.Context, d *DB, version int64) error {
	return d.Write(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "insert into goose_db_version (version_id, is_applied) values (?, ?)", version, true)
		return err
	})
}
