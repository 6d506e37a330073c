package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/cli/live"
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
	slow          string
	what          sourceFlags
}

func (f *backupFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.kind, "type", string(snapshot.Incremental), "`type`: full reads every file again, incremental what changed since the last snapshot, differential since the last full one")
	flags.StringVarP(&f.host, "host", "H", "", "`name` of the host in the snapshot (default: this one's)")
	flags.StringVar(&f.time, "time", "now", "`time` of the snapshot, such as '2026-11-21 03:00:00'")
	flags.StringArrayVar(&f.tags, "tag", nil, "`tags` of the snapshot, separated by commas; may be repeated")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "read everything, save nothing, and say what would be saved")
	flags.BoolVar(&f.skipUnchanged, "skip-if-unchanged", false, "make no snapshot if it would be the same as the last one")
	flags.StringVar(&f.slow, "slow-repository", "wait", "`what` to do while a repository keeps the others waiting: wait, or drop it and catch it up by a copy at the end")
	f.what.register(flags)
}

func (p *program) newBackup() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use:   "backup [PATH...]",
		Short: "Back up files and folders",
		Long: `Read files and folders and save a snapshot of them.

Every snapshot is complete by itself, whatever its type is: the type says how much is read. Files that can't be read are
listed and left out; the snapshot is kept, and the exit code is 3.

With several repositories (-r A -r B) everything is read once and saved in each at the same time. A repository that fails drops out, the others
are finished, and the exit code is 4. While one can't keep up the read waits for it, as soon as what is to be uploaded there fills some pack files
in memory. With --slow-repository drop it drops out instead, once it has kept the others waiting for two minutes in all: they go on at their own speed,
and once they are done the snapshot is copied into it from one of them, as 'backstay copy' does. Only if that fails too is the exit code 4.`,
		Example: `  backstay backup -r /srv/backup /home /etc
  backstay backup -r /srv/backup -r /media/disk/backup --exclude '*.tmp' /home
  backstay backup -r /srv/backup -r /mnt/office/backup --slow-repository drop /home
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
	rs, dropped, err := p.openAll(cmd.Context(), ts, opt.Patience)
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
	opened, absent := apart(ts, dropped)
	for _, t := range opened {
		opt.Names = append(opt.Names, t.String())
	}
	opt.Estimate = p.form() == live.Line && !p.flags.quiet && src.again
	stop := p.showProgress("archival")
	results, err := runner.Backup(cmd.Context(), src.source, rs, opt)
	stop()
	if err != nil && (len(results) == 0 || saved(results) == 0) {
		return err
	}
	return errors.Join(err, p.backedUp(outcome{opened: opened, absent: absent, results: results, dry: f.dryRun}))
}

// slowPatience is how long a repository may keep the others waiting with --slow-repository drop. Two minutes are what it takes to upload a full
// buffer of two packs of 16 MiB on a line of 2.3 Mbit/s, or to restart a server; and few want to wait for longer each night for something
// that can be done afterwards as well.
const slowPatience = 2 * time.Minute

// openAll opens every repository that was named. Those that can't be opened are returned as dropped, by their position, unless none is
// left. With a patience, that is also one that isn't open by then.
func (p *program) openAll(ctx context.Context, ts []target, patience time.Duration) (rs []*repo.Repo, dropped map[int]error, err error) {
	dropped = make(map[int]error)
	for i, t := range ts {
		r, err := p.openInTime(ctx, t, len(ts) > 1, patience)
		if err != nil {
			if ctx.Err() != nil || len(ts) == 1 {
				return nil, nil, err
			}
			dropped[i] = err
			p.notice(fmt.Sprintf("repository %q drops out: %v", t, err))
			continue
		}
		rs = append(rs, r)
	}
	if len(rs) == 0 {
		return nil, nil, fmt.Errorf("no repository could be opened: %w", dropped[0])
	}
	return rs, dropped, nil
}

// openInTime opens a repository. Where others wait for it, it has to be open in time if there is a patience.
func (p *program) openInTime(ctx context.Context, t target, others bool, patience time.Duration) (*repo.Repo, error) {
	if !others || patience == 0 {
		return p.open(ctx, t)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		if p.sys.Clock.Sleep(ctx, patience) == nil {
			cancel(fmt.Errorf("it could not be opened within %v", patience))
		}
	})
	defer watching.Wait()
	defer cancel(nil)
	return p.open(ctx, t)
}

// apart returns the repositories that were opened and those that were not.
func apart(ts []target, dropped map[int]error) (opened, absent []target) {
	for i, t := range ts {
		if dropped[i] == nil {
			opened = append(opened, t)
		} else {
			absent = append(absent, t)
		}
	}
	return opened, absent
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
	switch f.slow {
	case "wait":
	case "drop":
		opt.Patience = slowPatience
	default:
		return opt, backstay.Errorf(backstay.Invalid, "slow repository %q: want wait or drop", f.slow)
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
