package app

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/db"
)

// linkAudit gives an event its hash, from that of the event before; "" is before the first one.
func linkAudit(previous string, e backstay.AuditEvent) (string, error) {
	var prev chain.Hash
	if previous != "" {
		if err := prev.UnmarshalText([]byte(previous)); err != nil {
			return "", fmt.Errorf("hash of the event before: %w", err)
		}
	}
	entry, err := auditEntry(e)
	if err != nil {
		return "", err
	}
	return chain.Link(prev, entry.Seq, entry.Record).String(), nil
}

// auditEntry is an event as the chain has it: all of it but its hash.
func auditEntry(e backstay.AuditEvent) (entry chain.Entry, err error) {
	if e.Hash != "" {
		if err := entry.Hash.UnmarshalText([]byte(e.Hash)); err != nil {
			return entry, fmt.Errorf("hash of event %d: %w", e.Seq, err)
		}
	}
	e.Hash, e.Time = "", e.Time.UTC()
	entry.Seq = uint64(e.Seq)
	entry.Record, err = chain.Canonical(e)
	return entry, err
}

// signer signs heads of the audit trail.
func (a *App) signer() *chain.Signer { return chain.NewSigner(a.Ring.Derive("audit heads")) }

// SignAudit signs how far the trail has come, unless that is signed already. What was signed can't be cut off unnoticed by whoever has
// a head from outside.
func (a *App) SignAudit(ctx context.Context) error {
	return a.DB.Write(ctx, func(tx *db.Tx) error {
		seq, hash, err := tx.AuditHead(ctx)
		if err != nil || seq == 0 {
			return err
		}
		last, err := tx.LastAuditMark(ctx)
		if err == nil && last.Seq == seq || err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
		var h chain.Hash
		if err := h.UnmarshalText([]byte(hash)); err != nil {
			return err
		}
		head := a.signer().Sign(uint64(seq), h, a.now())
		text, err := json.Marshal(head)
		if err != nil {
			return err
		}
		return tx.SaveAuditMark(ctx, db.AuditMark{Seq: seq, Head: string(text)})
	})
}

// AuditQuery says which events are wanted, the newest first.
type AuditQuery = db.AuditQuery

// AuditEvents returns a page of the events that the actor may see.
func (a *App) AuditEvents(ctx context.Context, who backstay.Actor, q AuditQuery) (page []backstay.AuditEvent, err error) {
	err = a.look(ctx, who, "audit.read", func(t *task) error {
		if err := t.allowAnywhere(backstay.ReadAudit); err != nil {
			return err
		}
		q.Reach, q.Denied = backstay.ReachOf(who, backstay.ReadAudit)
		page, err = t.tx.AuditEvents(ctx, q)
		return err
	})
	return page, err
}

// VerifyAudit reads the whole trail and compares it with its signed heads and with those that were kept elsewhere.
func (a *App) VerifyAudit(ctx context.Context, who backstay.Actor, outside []chain.Head) (report chain.Report, err error) {
	err = a.look(ctx, who, "audit.verified", func(t *task) error {
		if err := t.allow(backstay.ReadAudit, backstay.System, ""); err != nil {
			return err
		}
		heads := outside
		marks, err := t.tx.AuditMarks(ctx)
		if err != nil {
			return err
		}
		for _, m := range marks {
			var head chain.Head
			if err := json.Unmarshal([]byte(m.Head), &head); err != nil {
				return fmt.Errorf("signed head %d: %w", m.Seq, err)
			}
			heads = append(heads, head)
		}
		if report, err = chain.Verify(ctx, auditEntries(t.tx.AllAuditEvents(ctx)), heads, a.auditKeys()); err != nil || report.Problem != nil {
			return err
		}
		report.Problem, err = t.cutOff(report)
		return err
	})
	return report, err
}

// cutOff compares the end of the trail with the number that the next event is given by: it finds what was cut since the last signed head.
func (t *task) cutOff(report chain.Report) (*chain.Problem, error) {
	seq, hash, err := t.tx.AuditHead(t.ctx)
	if err != nil || uint64(seq) == report.Entries && (seq == 0 || hash == report.Hash.String()) {
		return nil, err
	}
	return &chain.Problem{Kind: chain.CutOff, First: report.Entries + 1, Last: uint64(seq),
		Text: fmt.Sprintf("the trail ends with event %d, and there have been %d: its end was cut off or changed", report.Entries, seq)}, nil
}

// auditKeys are those that signed heads since the installation began.
func (a *App) auditKeys() chain.Keys {
	var public []ed25519.PublicKey
	for _, key := range a.Ring.Keys() {
		public = append(public, chain.NewSigner(key.Derive("audit heads")).Public())
	}
	return chain.NewKeys(public...)
}

func auditEntries(events iter.Seq2[backstay.AuditEvent, error]) iter.Seq2[chain.Entry, error] {
	return func(yield func(chain.Entry, error) bool) {
		for e, err := range events {
			var entry chain.Entry
			if err == nil {
				entry, err = auditEntry(e)
			}
			if !yield(entry, err) || err != nil {
				return
			}
		}
	}
}

// ExportAudit yields every event, the oldest first, to whoever may see all of them. That it was exported is an event itself.
func (a *App) ExportAudit(ctx context.Context, who backstay.Actor, since int64) (iter.Seq2[backstay.AuditEvent, error], error) {
	err := a.change(ctx, who, "audit.exported", func(t *task) error {
		if _, denied := backstay.ReachOf(who, backstay.ExportAudit); len(denied) > 0 {
			t.asked = true
			return backstay.Errorf(backstay.Denied, "a part of the audit trail is denied to you, and it is exported as a whole")
		}
		return t.allow(backstay.ExportAudit, backstay.Everywhere, "")
	})
	if err != nil {
		return nil, err
	}
	return func(yield func(backstay.AuditEvent, error) bool) {
		err := a.DB.Read(ctx, func(tx *db.Tx) error {
			for e, err := range tx.AllAuditEvents(ctx) {
				if err != nil {
					return err
				}
				if e.Seq > since && !yield(e, nil) {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			yield(backstay.AuditEvent{}, err)
		}
	}, nil
}
