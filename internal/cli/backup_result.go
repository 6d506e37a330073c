package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/runner"
)

// outcome is what became of the repositories of a backup.
type outcome struct {
	opened  []target
	absent  []target // those that could not be opened
	results []runner.BackupResult
	dry     bool
}

// backedUp prints the results and returns the error that is left: files that were lost, repositories that dropped out.
func (p *program) backedUp(o outcome) error {
	lost, failed := int64(0), o.absent
	for i, r := range o.results {
		if r.Err != nil {
			failed = append(failed, o.opened[i])
			p.notice(fmt.Sprintf("repository %q dropped out: %v", o.opened[i], r.Err))
		}
		lost = max(lost, r.Counts.Lost)
		print := p.printBackup
		if p.flags.json {
			print = p.printBackupJSON
		}
		if err := print(o, i); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return backstay.Errorf(backstay.Dropped, "the backup is finished, but %s of %d dropped out", show.Plural(int64(len(failed)), "repository"),
			len(o.opened)+len(o.absent)).WithHint(p.howToMend(o, failed))
	}
	if lost > 0 {
		return backstay.Errorf(backstay.Partial, "the snapshot lacks what could not be read: %s", show.Plural(lost, "file")).
			WithHint("Each is named above, with the reason. What could be read is safe.")
	}
	return nil
}

// howToMend says what gives the repositories that dropped out the snapshot.
func (p *program) howToMend(o outcome, failed []target) string {
	good := slices.IndexFunc(o.results, func(r runner.BackupResult) bool { return r.Err == nil })
	if o.dry || good < 0 {
		return "The reason for each is above. Once it is mended, run the backup again."
	}
	s := o.results[good].Snapshot
	id := s.ID
	if o.results[good].Skipped {
		id = s.Parent
	}
	hint := "The reason for each is above. Once it is mended, run the backup again, or copy the snapshot:"
	for _, t := range failed {
		hint += "\n  " + p.copyCommand(t, o.opened[good], id)
	}
	return hint
}

// copyCommand is what a person types to copy a snapshot. In the place of commands that print a password, which may be secret themselves,
// there is COMMAND.
func (p *program) copyCommand(to, from target, id crypto.ID) string {
	words := append([]string{"backstay", "copy"}, p.flags.targets.fallback.flag("--password")...)
	words = append(words, "-r", to.String())
	words = append(words, to.password.flag("--password")...)
	words = append(words, "--from-repo", from.String())
	words = append(words, from.password.flag("--from-password")...)
	for _, o := range p.flags.options {
		words = append(words, "-o", o)
	}
	for i, w := range words {
		words[i] = quoteWord(w)
	}
	return strings.Join(append(words, id.Short()), " ")
}

// flag names the source on the command line.
func (s passwordSource) flag(prefix string) []string {
	switch {
	case s.file != "":
		return []string{prefix + "-file", s.file}
	case s.command != "":
		return []string{prefix + "-command", "COMMAND"}
	}
	return nil
}

// backupSummary is the JSON of a result, in restic's words, and what is ours.
type backupSummary struct {
	MessageType         string   `json:"message_type"` // "summary"
	Repository          string   `json:"repository"`
	Type                string   `json:"type"`
	DryRun              bool     `json:"dry_run,omitempty"`
	Skipped             bool     `json:"skipped,omitempty"`
	FilesNew            uint64   `json:"files_new"`
	FilesChanged        uint64   `json:"files_changed"`
	FilesUnmodified     uint64   `json:"files_unmodified"`
	DirsNew             uint64   `json:"dirs_new"`
	DirsChanged         uint64   `json:"dirs_changed"`
	DirsUnmodified      uint64   `json:"dirs_unmodified"`
	DataBlobs           uint64   `json:"data_blobs"`
	TreeBlobs           uint64   `json:"tree_blobs"`
	DataAdded           uint64   `json:"data_added"`
	DataAddedPacked     uint64   `json:"data_added_packed"`
	TotalFilesProcessed uint64   `json:"total_files_processed"`
	TotalBytesProcessed uint64   `json:"total_bytes_processed"`
	TotalDuration       float64  `json:"total_duration"` // seconds
	FilesLost           int64    `json:"files_lost"`
	Error               string   `json:"error,omitempty"`
	SnapshotID          string   `json:"snapshot_id,omitempty"`
	CopiedFrom          string   `json:"copied_from,omitempty"` // the repository was too slow, and has a copy from that one
	Paths               []string `json:"paths,omitempty"`
}

func (p *program) printBackupJSON(o outcome, i int) error {
	r := o.results[i]
	out := backupSummary{MessageType: "summary", Repository: o.opened[i].String(), DryRun: o.dry, Skipped: r.Skipped, FilesLost: r.Counts.Lost}
	if r.Err != nil {
		out.Error = r.Err.Error()
		return p.printJSON(out)
	}
	s, sum := r.Snapshot, r.Snapshot.Summary
	out.Type, out.Paths = string(s.Type()), s.Paths
	out.FilesNew, out.FilesChanged, out.FilesUnmodified = sum.FilesNew, sum.FilesChanged, sum.FilesUnmodified
	out.DirsNew, out.DirsChanged, out.DirsUnmodified = sum.DirsNew, sum.DirsChanged, sum.DirsUnmodified
	out.DataBlobs, out.TreeBlobs, out.DataAdded, out.DataAddedPacked = sum.DataBlobs, sum.TreeBlobs, sum.DataAdded, sum.DataAddedPacked
	out.TotalFilesProcessed, out.TotalBytesProcessed = sum.TotalFilesProcessed, sum.TotalBytesProcessed
	out.TotalDuration = sum.BackupEnd.Sub(sum.BackupStart).Seconds()
	if r.CaughtUp != nil {
		out.CopiedFrom = o.opened[r.CaughtUp.From].String()
	}
	if !s.ID.IsNull() {
		out.SnapshotID = s.ID.String()
	}
	return p.printJSON(out)
}

func (p *program) printBackup(o outcome, i int) error {
	r := o.results[i]
	if r.Err != nil {
		return nil // it was a notice
	}
	if r.CaughtUp != nil {
		return p.say("Snapshot %s saved in %s: it was too slow, and has a copy from %s.", r.Snapshot.ID.Short(), p.name(o.opened[i].String()),
			p.name(o.opened[r.CaughtUp.From].String()))
	}
	s, sum := r.Snapshot, r.Snapshot.Summary
	err := p.say("Files:       %s new, %s changed, %s unmodified", show.Count(sum.FilesNew), show.Count(sum.FilesChanged), show.Count(sum.FilesUnmodified))
	if err == nil {
		err = p.say("Folders:     %s new, %s changed, %s unmodified", show.Count(sum.DirsNew), show.Count(sum.DirsChanged), show.Count(sum.DirsUnmodified))
	}
	if err == nil {
		err = p.say("Added:       %s (%s as stored)", show.Size(sum.DataAdded), show.Size(sum.DataAddedPacked))
	}
	if err == nil {
		err = p.say("Read:        %s, %s in %s", show.Plural(sum.TotalFilesProcessed, "file"), show.Size(sum.TotalBytesProcessed), show.Duration(sum.BackupEnd.Sub(sum.BackupStart)))
	}
	where := ""
	if len(o.opened) > 1 {
		where = " in " + p.name(o.opened[i].String())
	}
	switch {
	case err != nil:
		return err
	case o.dry:
		return p.say("Dry run: no snapshot was saved%s.", where)
	case r.Skipped:
		return p.say("Nothing has changed since snapshot %s, so none was made%s.", s.Parent.Short(), where)
	}
	return p.say("Snapshot %s saved%s (%s).", s.ID.Short(), where, s.Type())
}
