package db

import (
	"context"
	"time"

	"github.com/backstay/backstay"
)

// ForgetAlerts removes the alerts that were resolved before a time.
func (tx *Tx) ForgetAlerts(ctx context.Context, before time.Time) error {
	_, err := tx.exec(ctx, "delete from alerts where not open and resolved_at < ?", before)
	return err
}

// ForgetRestores removes the records of restores that came to an end before a time.
func (tx *Tx) ForgetRestores(ctx context.Context, before time.Time) error {
	_, err := tx.exec(ctx, "delete from restores where state in ('done', 'failed', 'discarded') and updated_at < ?", before)
	return err
}

// ForgetSignIns removes sign-ins that nobody finished in time, and the tokens and links that ran out before a time.
func (tx *Tx) ForgetSignIns(ctx context.Context, now, before time.Time) error {
	if _, err := tx.exec(ctx, "delete from ceremonies where expires_at <= ?", now); err != nil {
		return err
	}
	if _, err := tx.exec(ctx, "delete from tokens where expires_at < ?", before); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "delete from links where expires_at < ?", before)
	return err
}

// SaveCertificate notes which certificate a process shows.
func (tx *Tx) SaveCertificate(ctx context.Context, c backstay.Certificate) error {
	_, err := tx.tx.NewInsert().Model(&c).On("conflict (id) do update").Set("subject = excluded.subject").Set("not_after = excluded.not_after").Set("seen_at = excluded.seen_at").Exec(ctx)
	return explain("save certificate", err)
}

// Certificates returns those that processes show.
func (tx *Tx) Certificates(ctx context.Context) (all []backstay.Certificate, err error) {
	return all, explain("list certificates", tx.tx.NewSelect().Model(&all).Order("id").Scan(ctx))
}

// ForgetCertificates removes those of processes that were last there before a time.
func (tx *Tx) ForgetCertificates(ctx context.Context, before time.Time) error {
	_, err := tx.exec(ctx, "delete from certificates where seen_at < ?", before)
	return err
}
