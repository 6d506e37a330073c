package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/internal/client"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
)

func (p *program) newStorage() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "storage",
		Short: "Look after the places where repositories live",
		Long: `Find out whether a place is fit for a repository, and undo what somebody did to one that object lock protects: these commands need no server and no
password of a repository, since they see files, not what is in them.

The others are about the storages of the server that you are signed in at.`,
		Example: `  backstay storage list
  backstay storage test s3:https://s3.example.com/bucket/test
  backstay storage undelete -r s3:s3.eu-central-1.amazonaws.com/bucket -o object-lock=compliance`,
		Args: subcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.newStorageTest(), p.newStorageUndelete())
	n := nounOf("storage")
	cmd.AddCommand(p.newKinds(n, client.StorageKinds), p.newReveal(n, client.RevealStorage),
		p.newDeed(n, deed{verb: "try", short: "Save, load and remove a small file in a storage of the server", op: client.TestStorage, done: says("storage %s is well"),
			long: "Have the server save, load and remove a small file in one of its storages, and say how long each took. 'backstay storage test' tries out any place much\nmore closely."}))
	cmd.AddCommand(p.newStorageUsage())
	p.addNoun(cmd, n)
	return withCodes(cmd, 0, 2)
}

func (p *program) newStorageTest() *cobra.Command {
	var budget time.Duration
	cmd := &cobra.Command{
		Use:   "test [LOCATION]",
		Short: "Find out whether a place is fit for a repository",
		Long: `Test at an empty place whether it keeps what a repository relies on, and how fast it is.

Each line is a promise: that nobody ever sees a part of a file, that a listing is whole, that a name which is taken stays as it is, and so on. For
that some 3,000 files come and go, most of them tiny. The place must be empty, so that nothing of yours is touched, such as a new folder of the
same bucket; it is left empty.`,
		Example: `  backstay storage test /mnt/nas/test
  backstay storage test sftp:backup@nas:/srv/test --json`,
		Args: wants(0, 1, "one location"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := p.place(args)
			if err != nil {
				return err
			}
			return p.testStorage(cmd.Context(), t, budget)
		},
	}
	cmd.Flags().DurationVar(&budget, "speed", 10*time.Second, "`time` to measure the speed for, about; 0: not at all")
	return withCodes(cmd, 0, 1, 2, 130)
}

// place returns the place that is named by the argument, or as a repository is.
func (p *program) place(args []string) (target, error) {
	if len(args) == 0 {
		return p.target()
	}
	if len(p.flags.targets.named) > 0 {
		return target{}, backstay.Errorf(backstay.Invalid, "the place is named twice, by -r and by itself").WithHint("Name it once.")
	}
	return target{location: args[0]}, nil
}

func (p *program) testStorage(ctx context.Context, t target, budget time.Duration) error {
	kind, err := kinds.Of(t.location)
	if err != nil {
		return err
	}
	opt, err := p.storageOptions(p.flags.options)
	if err != nil {
		return err
	}
	opt.Retried = nil // the test asks for what can't be, and means it
	b, err := kinds.Open(t.location, opt)
	if err != nil {
		return err
	}
	if err := p.empty(ctx, t, b); err != nil {
		return err
	}
	var kept, lacking, broken int
	var failed error
	err = storagetest.Check(ctx, b, kind.Lacks, func(r storagetest.Result) {
		switch {
		case r.Broken():
			broken++
		case r.Lack != "":
			lacking++
		default:
			kept++
		}
		failed = errors.Join(failed, p.printPromise(r))
	})
	if err == nil {
		err = failed
	}
	var speed storagetest.Speed
	if err == nil && budget > 0 {
		speed, err = storagetest.Measure(ctx, b, p.sys.Clock, budget)
	}
	if err == nil {
		err = p.printSpeed(speed, kept, lacking, broken)
	}
	if err == nil && broken > 0 {
		err = backstay.Errorf(backstay.Failed, "%q is not fit for a repository: %s broken", t, show.Plural(broken, "promise")).
			WithHint("Each is said above. Look whether the server has a setting for it, or choose another place.")
	}
	return err
}

// empty returns an error unless nothing is at a place, and nothing is kept there from deletion.
func (p *program) empty(ctx context.Context, t target, b storage.Backend) error {
	if keeper, ok := storage.As[storage.Retainer](b); ok && keeper.Period() > 0 {
		return backstay.Errorf(backstay.Invalid, "%q would keep what the test saves", t).WithHint("Test it without object lock: leave out that setting.")
	}
	taken := backstay.Errorf(backstay.Conflict, "%q is not empty", t).WithHint("Name a place where nothing is, such as a new folder in it.")
	if _, err := b.Stat(ctx, "config"); err == nil {
		return taken
	} else if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	for _, dir := range []string{"keys", "snapshots", "index", "data", "locks"} {
		for _, err := range b.List(ctx, dir) {
			if err != nil {
				if errors.Is(err, storage.ErrNotFound) { // nothing at all is there: it will be made
					break
				}
				return err
			}
			return taken
		}
	}
	return nil
}

func (p *program) printPromise(r storagetest.Result) error {
	if p.flags.json {
		return p.printJSON(struct {
			MessageType string `json:"message_type"`
			storagetest.Result
		}{"promise", r})
	}
	switch {
	case r.Broken():
		if err := p.printf("BROKEN  %s\n", r.Promise); err != nil {
			return err
		}
		for _, complaint := range r.Complaints[:min(len(r.Complaints), 5)] {
			if err := p.printf("        %s\n", p.name(complaint)); err != nil {
				return err
			}
		}
	case r.Lack != "":
		seen := "."
		if len(r.Complaints) == 0 {
			seen = "; in this test it was kept."
		}
		return p.printf("lacks   %s\n        %s%s\n", r.Promise, strings.TrimSuffix(r.Lack, "."), seen)
	default:
		return p.say("kept    %s", r.Promise)
	}
	return nil
}

func (p *program) printSpeed(s storagetest.Speed, kept, lacking, broken int) error {
	if p.flags.json {
		return p.printJSON(struct {
			MessageType string `json:"message_type"`
			Kept        int    `json:"kept"`
			Lacking     int    `json:"lacking"`
			Broken      int    `json:"broken"`
			storagetest.Speed
		}{"summary", kept, lacking, broken, s})
	}
	if err := p.say("\n%s kept, %d lacking, %d broken.", show.Plural(kept, "promise"), lacking, broken); err != nil || s.Bytes == 0 {
		return err
	}
	return p.say("Upload %s/s, download %s/s, in files of %s, %d at once. A small file is saved in %v, and looked up in %v.", show.Size(int64(s.Upload)),
		show.Size(int64(s.Download)), show.Size(storagetest.FileSize), storagetest.AtOnce, s.Save.Round(100*time.Microsecond), s.Stat.Round(100*time.Microsecond))
}

func (p *program) newStorageUndelete() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "undelete",
		Short: "Bring back what was deleted in spite of object lock",
		Long: `Bring back the files that somebody deleted or replaced although object lock keeps them.

Who has the credentials of a bucket can hide its files behind delete markers or newer versions, but can't remove the kept versions. Backstay never does that
itself: what it removes was no longer kept. So everything that this command finds was done by others. Change the credentials before you run it.`,
		Example: `  backstay storage undelete -r s3:https://s3.example.com/bucket -o object-lock=compliance --dry-run`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := p.target()
			if err != nil {
				return err
			}
			return p.undelete(cmd.Context(), t, dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "list what would be brought back and change nothing")
	return withCodes(cmd, 0, 1, 2, 130)
}

func (p *program) undelete(ctx context.Context, t target, dry bool) error {
	b, err := p.openStorage(t)
	if err != nil {
		return err
	}
	keeper, ok := storage.As[storage.Retainer](b)
	if !ok || keeper.Period() == 0 {
		return backstay.Errorf(backstay.Invalid, "%q has no object lock, so nothing of what was deleted there is kept", t).
			WithHint("If its bucket has object lock, say so with the settings that backups use, such as -o object-lock=compliance.")
	}
	count := 0
	for info, err := range keeper.Hidden(ctx, "") {
		if err == nil && !dry {
			err = keeper.Unhide(ctx, info.Name)
		}
		if err != nil {
			return fmt.Errorf("%w (%s brought back before)", err, show.Plural(count, "file"))
		}
		count++
		if err := p.say("%s", p.name(info.Name)); err != nil {
			return err
		}
	}
	if p.flags.json {
		return p.printJSON(map[string]any{"message_type": "summary", "dry_run": dry, "files": count})
	}
	if dry {
		return p.say("Dry run: %s would be brought back.", show.Plural(count, "file"))
	}
	return p.say("%s brought back. Now run 'backstay check'.", show.Plural(count, "file"))
}
