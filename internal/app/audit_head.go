package app

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/db"
)

// AuditHead signs how far the audit trail has come, and returns what was signed last: whoever keeps it elsewhere can tell later whether the
// trail was cut or changed.
func (a *App) AuditHead(ctx context.Context, who backstay.Actor) (head chain.Head, err error) {
	err = a.look(ctx, who, "audit.signed", func(t *task) error { return t.allow(backstay.ReadAudit, backstay.System, "") })
	if err != nil {
		return head, err
	}
	if err := a.SignAudit(ctx); err != nil {
		return head, err
	}
	var last db.AuditMark
	err = a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		last, err = tx.LastAuditMark(ctx)
		return err
	})
	if err != nil {
		return head, explain(err, "signed head")
	}
	if err := json.Unmarshal([]byte(last.Head), &head); err != nil {
		return head, fmt.Errorf("signed head %d: %w", last.Seq, err)
	}
	return head, nil
}
