package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
	"github.com/backstay/backstay/internal/server"
)

func (p *program) newAuditVerify() *cobra.Command {
	var heads string
	var opt server.Options
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that nobody has changed or cut the audit trail",
		Long: `Have the server read the whole trail, and check each event against the one before and against what was signed. Without --heads a trail that was cut
together with its own signed heads looks whole: keep what 'backstay audit sign' prints in another place, and give it here.

With --data or --database no server is asked: the database is read where it is, or a copy of it, with the keys in the folder, in BACKSTAY_SECRET_KEY, or of
--key-command.`,
		Example: `  backstay audit verify
  backstay audit verify --data /srv/copy-of-backstay-data --heads heads.jsonl
  backstay audit verify --heads heads.jsonl`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kept := []chain.Head{}
			if heads != "" {
				text, err := os.ReadFile(heads)
				if err != nil {
					return err
				}
				if kept, err = readHeads(text); err != nil {
					return backstay.Errorf(backstay.Invalid, "signed heads %q: %w", heads, err)
				}
			}
			if opt.Data != "" || opt.Database != "" {
				return p.verifyOffline(cmd, opt, kept)
			}
			return p.onServer(cmd, false, func(ctx context.Context, s asker) error { return s.verifyAudit(ctx, kept) })
		},
	}
	cmd.Flags().StringVar(&opt.Data, "data", "", "`FOLDER` of a server, or a copy of it: verify without asking a server")
	cmd.Flags().StringVar(&opt.Database, "database", "", "`URL` of a PostgreSQL database: verify without asking a server")
	registerKeyCommand(cmd.Flags())
	cmd.Flags().StringVar(&heads, "heads", "", "`FILE` with signed heads that were kept elsewhere, as 'backstay audit sign' prints them")
	return withCodes(cmd, 0, 1, 2, 5, 6)
}

// readHeads reads JSON objects that follow one another.
func readHeads(text []byte) (all []chain.Head, err error) {
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var head chain.Head
		if err := d.Decode(&head); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, head)
	}
}

// auditVerdict is what a verification found.
type auditVerdict struct {
	Good    bool   `json:"good"`
	Events  uint64 `json:"events"`
	Signed  uint64 `json:"signed"`
	Problem string `json:"problem,omitempty"`
}

func (s asker) verifyAudit(ctx context.Context, heads []chain.Head) error {
	var v auditVerdict
	if err := s.Do(ctx, client.VerifyAudit, client.Request{Body: map[string]any{"heads": heads}}, &v); err != nil {
		return err
	}
	return s.verdict(v)
}

// verifyOffline reads the database of a server by itself.
func (p *program) verifyOffline(cmd *cobra.Command, opt server.Options, heads []chain.Head) error {
	if err := p.serverOptions(cmd, &opt, logging{level: "error"}); err != nil {
		return err
	}
	if !server.Shared(opt.Database) {
		if _, err := os.Stat(filepath.Join(opt.Data, "backstay.db")); err != nil { // it would be made
			return err
		}
	}
	if err := p.serverKeys(&opt); err != nil {
		return err
	}
	report, err := server.VerifyAudit(cmd.Context(), opt, heads)
	if err != nil {
		return err
	}
	v := auditVerdict{Good: report.Problem == nil, Events: report.Entries, Signed: report.Signed.Seq}
	if report.Problem != nil {
		v.Problem = report.Problem.Text
	}
	return p.verdict(v)
}

func (p *program) verdict(v auditVerdict) error {
	if p.flags.json {
		if err := p.printJSON(v); err != nil {
			return err
		}
	}
	if !v.Good {
		return backstay.Errorf(backstay.Damaged, "the audit trail is not what it was: %s", v.Problem).WithHint("Keep a copy of the database as it is, and find out who can write to it.")
	}
	return p.say("%s are as they were written; signed up to event %d", show.Plural(v.Events, "event"), v.Signed)
}
