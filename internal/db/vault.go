package db

import (
	"context"

	"github.com/uptrace/bun"
)

// Vault names a column whose values are sealed.
type Vault struct{ Table, Column string }

// Vaults are all of them.
var Vaults = []Vault{{"audit_sinks", "sealed"}, {"channels", "sealed"}, {"factors", "value"}, {"repositories", "sealed"}, {"sources", "sealed"}, {"storages", "sealed"}}

// Sealed is one sealed value.
type Sealed struct{ ID, Value string }

// SealedAfter returns some sealed values of a column, by their ids.
func (tx *Tx) SealedAfter(ctx context.Context, v Vault, id string, limit int) (values []Sealed, err error) {
	query := tx.tx.NewSelect().ColumnExpr("id").ColumnExpr("? as value", bun.Ident(v.Column)).TableExpr("?", bun.Ident(v.Table)).
		Where("id > ? and ? <> ''", id, bun.Ident(v.Column)).Order("id").Limit(int64(limit))
	if v.Table == "factors" {
		query = query.Where("kind = 'totp'") // the others are hashes
	}
	return values, explain("find sealed values", query.Scan(ctx, &values))
}

// Reseal replaces a sealed value, unless somebody has changed it.
func (tx *Tx) Reseal(ctx context.Context, v Vault, old Sealed, value string) error {
	_, err := tx.exec(ctx, "update ? set ? = ? where id = ? and ? = ?", bun.Ident(v.Table), bun.Ident(v.Column), value, old.ID, bun.Ident(v.Column), old.Value)
	return err
}
