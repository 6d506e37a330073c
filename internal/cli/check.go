package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/cli/show"
)

func (p *program) newCheck() *cobra.Command {
	var readData bool
	var subset string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find damage in a repository",
		Long: `Check that everything the snapshots need is there, and with --read-data that every byte of it is as it was saved.

Each finding names what is hit, the snapshots and files that it costs, and what to do. Without --read-data only the small files and the list of
packs are read. --read-data-subset reads a part of the data: 3/10 is the third of ten parts (all ten together are everything), 5% or 10G is a random
part of that size. A check changes nothing, and other programs may back up meanwhile.`,
		Example: `  backstay check
  backstay check --read-data
  backstay check --read-data-subset 1/7 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt := checker.Options{ReadData: readData || subset != ""}
			if subset != "" {
				var err error
				if opt.Subset, err = checker.ParseSubset(subset); err != nil {
					return usageError(cmd, "%w", err)
				}
			}
			p.flags.noCache = true // it looks at the storage, not at copies
			return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error { return p.check(ctx, r, opt) })
		},
	}
	p.registerNoLock(cmd)
	cmd.Flags().BoolVar(&readData, "read-data", false, "read all data")
	cmd.Flags().StringVar(&subset, "read-data-subset", "", "read a `part` of the data: N/M, a percentage, or a size such as 10G")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

func (p *program) check(ctx context.Context, r *repo.Repo, opt checker.Options) error {
	var failed error
	opt.Progress = p.event
	opt.Found = func(f checker.Finding) {
		if failed == nil {
			failed = p.printFinding(f)
		}
	}
	stop := p.showProgress("check")
	report, err := checker.Check(ctx, r, opt)
	stop()
	if err != nil {
		return err
	}
	if failed == nil {
		failed = p.printReport(report, opt.ReadData)
	}
	if failed != nil {
		return failed
	}
	if !report.OK() {
		return backstay.Errorf(backstay.Damaged, "the repository is damaged: %s", show.Plural(report.Errors, "error")).
			WithHint("Each says above what it costs and what to do. Don't prune before that.")
	}
	return nil
}

func (p *program) printFinding(f checker.Finding) error {
	if p.flags.json {
		return p.printJSON(struct {
			MessageType string `json:"message_type"`
			checker.Finding
		}{"finding", f})
	}
	if err := p.printf("%s: %s\n", f.Severity, p.name(f.Message)); err != nil {
		return err
	}
	if len(f.Snapshots) > 0 {
		short := make([]string, len(f.Snapshots))
		for i, id := range f.Snapshots {
			short[i] = id.Short()
		}
		if err := p.printf("    snapshots hit: %s\n", strings.Join(short, ", ")); err != nil {
			return err
		}
	}
	for _, path := range f.Paths {
		if err := p.printf("    lost: %s\n", p.name(path)); err != nil {
			return err
		}
	}
	if more := f.PathCount - len(f.Paths); more > 0 {
		if err := p.printf("    and %s more\n", show.Plural(more, "path")); err != nil {
			return err
		}
	}
	return p.printf("    remedy: %s\n", f.Remedy)
}

func (p *program) printReport(r checker.Report, data bool) error {
	if p.flags.json {
		return p.printJSON(struct {
			MessageType string `json:"message_type"`
			OK          bool   `json:"ok"`
			checker.Report
		}{"summary", r.OK(), r})
	}
	if err := p.say("Checked: %s, %s, %s, %s", show.Plural(r.Snapshots, "snapshot"), show.Plural(r.Trees, "folder"),
		show.Plural(r.Packs, "pack"), show.Plural(r.IndexFiles, "index file")); err != nil {
		return err
	}
	if data {
		if err := p.say("Read:    %s, %s", show.Plural(r.PacksRead, "pack"), show.Size(r.BytesRead)); err != nil {
			return err
		}
	}
	if !r.OK() {
		return nil // the error says it
	}
	more := ""
	if r.Warnings+r.Hints > 0 {
		more = fmt.Sprintf(" (%s, %s)", show.Plural(r.Warnings, "warning"), show.Plural(r.Hints, "hint"))
	}
	return p.say("No errors were found%s.", more)
}
