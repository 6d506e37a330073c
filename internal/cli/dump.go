package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/archive"
	"github.com/backstay/backstay/progress"
)

func (p *program) newDump() *cobra.Command {
	var sel selection
	var format, file string
	cmd := &cobra.Command{
		Use:   "dump SNAPSHOT PATH",
		Short: "Write a file of a snapshot, or a folder as an archive, to standard output",
		Long: `Write the content of a file of a snapshot to standard output; or a folder, with all that is in it, as a tar or zip archive. '/'
is the whole snapshot. A tar archive keeps owners, links, devices and extended attributes, a zip archive does not.`,
		Example: `  backstay dump latest /etc/fstab -r /srv/backup
  backstay dump latest /home/anna -r /srv/backup | tar -x -C /tmp
  backstay dump 02fa565f / --archive zip --target all.zip -r /srv/backup`,
		Args: wants(2, 2, "a snapshot and a path in it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, ok := archive.New(format, io.Discard); !ok {
				return usageError(cmd, "archive %q is neither tar nor zip", format)
			}
			return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error {
				s, err := p.findSnapshot(ctx, r, sel, args[0])
				if err != nil {
					return err
				}
				if err := r.LoadIndex(ctx); err != nil {
					return err
				}
				n, err := findNode(ctx, r, s, args[1])
				if err != nil {
					return err
				}
				d := dumper{p: p, r: r, s: s, name: clean(args[1]), format: format}
				return d.to(ctx, file, n)
			})
		},
	}
	sel.register(cmd.Flags())
	p.registerNoLock(cmd)
	cmd.Flags().StringVarP(&format, "archive", "a", "tar", "`format` for folders: tar or zip")
	cmd.Flags().StringVarP(&file, "target", "t", "", "write to a new `file` instead")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

// dumper writes one thing of a snapshot.
type dumper struct {
	p      *program
	r      *repo.Repo
	s      *snapshot.Snapshot
	name   string // cleaned
	format string
	lost   int
}

// to writes to standard output, or to a new file that is removed again if that doesn't succeed.
func (d *dumper) to(ctx context.Context, file string, n *tree.Node) error {
	if file == "" {
		if n.Type == entry.Dir && isTerminal(d.p.sys.Stdout) {
			return backstay.Errorf(backstay.Invalid, "an archive is nothing to look at").WithHint("Send it to a file or a program, or give --target FILE.")
		}
		return d.write(ctx, d.p.out, n)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create target: %w", err)
	}
	err = d.write(ctx, f, n)
	err = errors.Join(err, f.Close())
	if err != nil && d.lost == 0 {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

func (d *dumper) write(ctx context.Context, w io.Writer, n *tree.Node) error {
	switch n.Type {
	case entry.File:
		return d.file(ctx, w)
	case entry.Dir:
		return d.folder(ctx, w)
	}
	return backstay.Errorf(backstay.Invalid, "%q is a %s: only files and folders can be written", "/"+d.name, n.Type)
}

func (d *dumper) file(ctx context.Context, w io.Writer) error {
	for e, err := range restorer.Entries(ctx, d.r, d.s.Tree, restorer.Options{Sub: d.name}) {
		if err != nil {
			return err
		}
		if _, err := archive.Copy(ctx, w, e); err != nil {
			return fmt.Errorf("dump %q: %w", "/"+d.name, err)
		}
	}
	return nil
}

// folder writes an archive. What can't be read is reported and, as far as the archive allows, left out.
func (d *dumper) folder(ctx context.Context, w io.Writer) error {
	a, _ := archive.New(d.format, w) // it was asked for before
	for e, err := range restorer.Entries(ctx, d.r, d.s.Tree, restorer.Options{Sub: d.name}) {
		if err == nil {
			err = a.Add(ctx, path.Join(d.name, e.Path), e)
		}
		var lost *entry.Error
		switch {
		case err == nil:
		case errors.As(err, &lost) && context.Cause(ctx) == nil:
			d.lost++
			d.p.event(progress.Event{Kind: progress.Failed, Item: "/" + path.Join(d.name, lost.Path), Err: lost.Err})
		default:
			return fmt.Errorf("dump %q: %w", "/"+d.name, err)
		}
	}
	return cmp.Or(a.Close(), unreadable(d.lost))
}
