package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/cli/live"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/runner"
)

// backupFlags are the flags of backup but those that choose what is read.
type backupFlags struct {
	kind          string
	host          string
	time          string
	tags          []string
	dryRun        bool
	skipUnchanged bool
	what          sourceFlags
}

func (f *backupFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.kind, "type", string(snapshot.Incremental), "`type`: full reads every file again, incremental what changed since the last snapshot, differential since the last full one")
	flags.StringVarP(&f.host, "host", "H", "", "`name` of the host in the snapshot (default: this one's)")
	flags.StringVar(&f.time, "time", "now", "`time` of the snapshot, such as '2026-11-21 03:00:00'")
	flags.StringArrayVar(&f.tags, "tag", nil, "`tags` of the snapshot, separated by commas; may be repeated")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "read everything, save nothing, and say what would be saved")
	flags.BoolVar(&f.skipUnchanged, "skip-if-unchanged", false, "make no snapshot if it would be the same as the last one")
	f.what.register(flags)
}

func (p *program) newBackup() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use:   "backup [PATH...]",
		Short: "Back up files and folders",
		Long: `Read files and folders and save a snapshot of them.

Every snapshot is complete by itself, whatever its type is: the type says how much is read. Files that can't be read are
listed and left out; the snapshot is kept, and the exit code is 3. With several repositories (-r A -r B) everything is
read once and saved in each; a repository that fails drops out, and the exit code is 4.`,
		Example: `  backstay backup -r /srv/backup /home /etc
  backstay backup -r /srv/backup -r /media/disk/backup --exclude '*.tmp' /home
  backstay backup -r /srv/backup --type full --tag monthly /home
  pg_dumpall | backstay backup -r /srv/backup --stdin --stdin-filename all.sql
  backstay backup -r /srv/backup --stdin-from-command --stdin-filename all.sql -- pg_dumpall`,
		RunE: func(cmd *cobra.Command, args []string) error { return p.backup(cmd, &f, args) },
	}
	f.register(cmd.Flags())
	return withCodes(cmd, 0, 1, 2, 3, 4, 10, 11, 12, 130)
}

func (p *program) backup(cmd *cobra.Command, f *backupFlags, args []string) error {
	opt, err := p.backupOptions(f)
	if err != nil {
		return err
	}
	ts, err := p.targets()
	if err != nil {
		return err
	}
	rs, dropped, err := p.openAll(cmd.Context(), ts)
	if err != nil {
		return err
	}
	src, err := p.source(&f.what, args, ts)
	if err != nil {
		return err
	}
	opt.Template.Paths, opt.Template.Excludes = src.paths, src.excludes
	if opt.Template.Hostname == "" {
		opt.Template.Hostname = rs[0].Options().Hostname
	}
	opt.Estimate = p.form() == live.Line && !p.flags.quiet && src.again
	stop := p.showProgress("archival")
	results, err := runner.Backup(cmd.Context(), src.source, rs, opt)
	stop()
	if err != nil && (len(results) == 0 || saved(results) == 0) {
		return err
	}
	return errors.Join(err, p.backedUp(named(ts, dropped), results, dropped, f.dryRun))
}

// openAll opens every repository that was named. Those that can't be opened are returned as dropped, by their position, unless none is left.
func (p *program) openAll(ctx context.Context, ts []target) (rs []*repo.Repo, dropped map[int]error, err error) {
	dropped = make(map[int]error)
	for i, t := range ts {
		r, err := p.open(ctx, t)
		if err != nil {
			if ctx.Err() != nil || len(ts) == 1 {
				return nil, nil, err
			}
			dropped[i] = err
			p.notice(fmt.Sprintf("repository %q drops out: %v", t.location, err))
			continue
		}
		rs = append(rs, r)
	}
	if len(rs) == 0 {
		return nil, nil, fmt.Errorf("no repository could be opened: %w", dropped[0])
	}
	return rs, dropped, nil
}

// named returns the locations of the repositories that were opened.
func named(ts []target, dropped map[int]error) []string {
	var locations []string
	for i, t := range ts {
		if dropped[i] == nil {
			locations = append(locations, t.location)
		}
	}
	return locations
}

func saved(results []runner.BackupResult) (n int) {
	for _, r := range results {
		if r.Err == nil {
			n++
		}
	}
	return n
}

func (p *program) backupOptions(f *backupFlags) (runner.BackupOptions, error) {
	opt := runner.BackupOptions{Type: snapshot.Type(f.kind), Lock: repo.LockOptions{Wait: p.flags.lockWait},
		SkipIfUnchanged: f.skipUnchanged, DryRun: f.dryRun, Progress: p.event, Start: p.sys.Clock.Now()}
	switch opt.Type {
	case snapshot.Full, snapshot.Incremental, snapshot.Differential:
	default:
		return opt, backstay.Errorf(backstay.Invalid, "type %q: it is full, incremental or differential", f.kind)
	}
	s := &opt.Template
	s.Hostname, s.Time = f.host, opt.Start
	s.ProgramVersion = "backstay " + version()
	for _, list := range f.tags {
		s.Tags = append(s.Tags, snapshot.ParseTags(list)...)
	}
	if f.time != "now" {
		at, err := parseTime(f.time)
		if err != nil {
			return opt, err
		}
		s.Time = at
	}
	if u, err := user.Current(); err == nil { // a snapshot without a user is one all the same
		s.Username = u.Username
		uid, _ := strconv.ParseUint(u.Uid, 10, 32) // no numbers on some systems
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		s.UID, s.GID = uint32(uid), uint32(gid)
	}
	return opt, nil
}

// parseTime reads a time as people write it, in the local zone unless it names one.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, backstay.Errorf(backstay.Invalid, "time %q: write it like '2026-11-21 03:00:00'", s)
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
	Paths               []string `json:"paths,omitempty"`
}

// backedUp prints the results and returns the error that is left: files that were lost, repositories that dropped out.
func (p *program) backedUp(locations []string, results []runner.BackupResult, dropped map[int]error, dry bool) error {
	lost, failed := int64(0), len(dropped)
	for i, r := range results {
		if r.Err != nil {
			failed++
			p.notice(fmt.Sprintf("repository %q dropped out: %v", locations[i], r.Err))
		}
		lost = max(lost, r.Counts.Lost)
		print := p.printBackup
		if p.flags.json {
			print = p.printBackupJSON
		}
		if err := print(locations[i], r, dry, len(locations) > 1); err != nil {
			return err
		}
	}
	if failed > 0 {
		return backstay.Errorf(backstay.Dropped, "the backup is finished, but %s of %d dropped out", show.Plural(failed, "repository"), len(results)+len(dropped)).
			WithHint("The reason for each is above. Once it is mended, run the backup again, or copy the snapshot: backstay copy")
	}
	if lost > 0 {
		return backstay.Errorf(backstay.Partial, "the snapshot lacks what could not be read: %s", show.Plural(lost, "file")).
			WithHint("Each is named above, with the reason. What could be read is safe.")
	}
	return nil
}

func (p *program) printBackupJSON(location string, r runner.BackupResult, dry, _ bool) error {
	out := backupSummary{MessageType: "summary", Repository: location, DryRun: dry, Skipped: r.Skipped, FilesLost: r.Counts.Lost}
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
	if !s.ID.IsNull() {
		out.SnapshotID = s.ID.String()
	}
	return p.printJSON(out)
}

func (p *program) printBackup(location string, r runner.BackupResult, dry, several bool) error {
	if r.Err != nil {
		return nil // it was a notice
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
	if several {
		where = fmt.Sprintf(" in %s", p.name(location))
	}
	switch {
	case err != nil:
		return err
	case dry:
		return p.say("Dry run: no snapshot was saved%s.", where)
	case r.Skipped:
		return p.say("Nothing has changed since snapshot %s, so none was made%s.", s.Parent.Short(), where)
	}
	return p.say("Snapshot %s saved%s (%s).", s.ID.Short(), where, s.Type())
}

// inside returns where path is below dir, "." for dir itself; ok is false if it isn't. Links are resolved as far as there is something.
func inside(path, dir string) (rel string, ok bool, err error) {
	path, err = realPath(path)
	if err != nil {
		return "", false, err
	}
	dir, err = realPath(dir)
	if err != nil {
		return "", false, err
	}
	rel, err = filepath.Rel(dir, path)
	return rel, err == nil && filepath.IsLocal(rel), err
}

func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		parent, err := realPath(filepath.Dir(path))
		return filepath.Join(parent, filepath.Base(path)), err
	}
	return real, err
}
