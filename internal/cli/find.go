package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/internal/cli/show"
)

func (p *program) newFind() *cobra.Command {
	var sel selection
	var f finder
	var oldest, newest string
	var names []string
	var ids idFlags
	cmd := &cobra.Command{
		Use:   "find PATTERN...|ID...",
		Short: "Find files in all snapshots, by name or by what they are stored in",
		Long: `Find what has a name like one of the patterns, in all snapshots, those that the flags select, or those named by --snapshot.
In a pattern * stands for any characters, ? for any one and [a-z] for one of several, none of them for a slash. A pattern that
begins with a slash fits the whole path from its beginning, any other one a name, or several in a row, at any place. What
is found in a folder that fits is listed too.

With --blob, --tree or --pack find what uses the blobs, the trees, or whatever is in the packs of these ids, which a check may have
named as damaged or missing: each path of each snapshot. The first digits of an id will do.`,
		Example: `  backstay find '*.docx' -r /srv/backup
  backstay find --ignore-case 'invoice*' --host office -r /srv/backup
  backstay find /etc/nginx --snapshot latest -l -r /srv/backup
  backstay find --blob 98ea6e4f --show-pack-id -r /srv/backup
  backstay find --pack 9843bb9b 5a1d39cf -r /srv/backup`,
		Args: wants(1, -1, "a pattern, or an id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := ids.kind(cmd.Flags())
			parse := f.parse
			if kind != "" {
				parse = checkIDs
			}
			for _, err := range []error{err, parse(args), parseBound(oldest, &f.oldest), parseBound(newest, &f.newest)} {
				if err != nil {
					return usageError(cmd, "%w", err)
				}
			}
			return p.withRepo(cmd, reading, func(ctx context.Context, r *repo.Repo) error {
				all, unread, err := p.findSnapshots(ctx, r, sel, names)
				if err != nil {
					return err
				}
				if err := r.LoadIndex(ctx); err != nil {
					return err
				}
				if kind == "" {
					return errors.Join(p.find(ctx, r, all, &f), unread)
				}
				return errors.Join(p.findUses(ctx, r, all, kind, args, ids.showPack), unread)
			})
		},
	}
	sel.register(cmd.Flags())
	p.registerNoLock(cmd)
	ids.register(cmd.Flags())
	cmd.Flags().StringArrayVarP(&names, "snapshot", "s", nil, "search in the snapshot of this `id`, or 'latest'; may be repeated")
	cmd.Flags().BoolVarP(&f.ignoreCase, "ignore-case", "i", false, "take small and capital letters for the same")
	cmd.Flags().BoolVarP(&f.long, "long", "l", false, "show mode, owner, size and time")
	cmd.Flags().StringVarP(&oldest, "oldest", "O", "", "only what was last changed at this `time` or later, such as 2026-11-21")
	cmd.Flags().StringVarP(&newest, "newest", "N", "", "only what was last changed at this `time` or earlier")
	return withCodes(cmd, 0, 1, 2, 10, 11, 12, 130)
}

// parseBound reads a time, if one is given.
func parseBound(s string, t *time.Time) (err error) {
	if s != "" {
		*t, err = parseTime(s)
	}
	return err
}

type finder struct {
	patterns         []pattern
	ignoreCase, long bool
	oldest, newest   time.Time // zero: no bound
}

// pattern is the elements of a path, each with wildcards.
type pattern struct {
	elements []string
	absolute bool
}

func (f *finder) parse(args []string) error {
	for _, arg := range args {
		text := arg
		if f.ignoreCase {
			text = strings.ToLower(arg)
		}
		pat := pattern{elements: strings.Split(clean(text), "/"), absolute: strings.HasPrefix(text, "/")}
		for _, element := range pat.elements {
			if _, err := path.Match(element, ""); err != nil {
				return fmt.Errorf("pattern %q: %w", arg, err)
			}
		}
		f.patterns = append(f.patterns, pat)
	}
	return nil
}

// match reports whether a node is wanted.
func (f *finder) match(name string, n *tree.Node) bool {
	if !f.oldest.IsZero() && n.ModTime.Before(f.oldest) || !f.newest.IsZero() && n.ModTime.After(f.newest) {
		return false
	}
	if f.ignoreCase {
		name = strings.ToLower(name)
	}
	elements := strings.Split(name, "/")
	for _, pat := range f.patterns {
		if pat.match(elements) {
			return true
		}
	}
	return false
}

func (pat pattern) match(elements []string) bool {
	last := len(elements) - len(pat.elements)
	if pat.absolute {
		last = min(0, last)
	}
	for at := 0; at <= last; at++ {
		if pat.matchAt(elements[at:]) {
			return true
		}
	}
	return false
}

func (pat pattern) matchAt(elements []string) bool {
	for i, element := range pat.elements {
		if ok, _ := path.Match(element, elements[i]); !ok { // parse saw to it that there is no error
			return false
		}
	}
	return true
}

// leaves reports whether nothing in a folder can be wanted: every pattern is absolute and leads elsewhere.
func (f *finder) leaves(name string, _ *tree.Node) bool {
	if f.ignoreCase {
		name = strings.ToLower(name)
	}
	elements := strings.Split(name, "/")
	for _, pat := range f.patterns {
		n := min(len(pat.elements), len(elements))
		if !pat.absolute || (pattern{elements: pat.elements[:n]}).matchAt(elements) {
			return false
		}
	}
	return true
}

// find prints what is found, snapshot by snapshot.
func (p *program) find(ctx context.Context, r *repo.Repo, all []*snapshot.Snapshot, f *finder) error {
	var out findPrinter = &findText{p: p, long: f.long}
	if p.flags.json {
		out = &findJSON{p: p}
	}
	total := 0
	for _, s := range all {
		lost, err := p.walk(ctx, r, s, f.leaves, func(name string, n *tree.Node) error {
			if !f.match(name, n) {
				return nil
			}
			return out.hit(s, name, n)
		})
		if err != nil {
			return err
		}
		total += lost
	}
	return cmp.Or(out.end(), unreadable(total))
}

// findPrinter prints as it is found: the hits of all snapshots may be more than fits into memory.
type findPrinter interface {
	hit(s *snapshot.Snapshot, name string, n *tree.Node) error
	end() error
}

type findText struct {
	p    *program
	long bool
	last *snapshot.Snapshot
}

func (t *findText) hit(s *snapshot.Snapshot, name string, n *tree.Node) error {
	return cmp.Or(t.begin(s), t.p.printNode(name, n, t.long, false))
}

// begin says which snapshot the next hits are in.
func (t *findText) begin(s *snapshot.Snapshot) error {
	if s == t.last {
		return nil
	}
	t.last = s
	return t.p.say("snapshot %s, %s:", s.ID.Short(), show.Time(s.Time.Local()))
}

func (t *findText) end() error { return nil }

// findJSON writes one array with an object for each snapshot, as programs made for restic's output know it:
// [{"matches":[…],"hits":2,"snapshot":"…"}].
type findJSON struct {
	p    *program
	last *snapshot.Snapshot
	hits int
}

func (j *findJSON) hit(s *snapshot.Snapshot, name string, n *tree.Node) error {
	before := ","
	if s != j.last {
		if before = "[{\"matches\":["; j.last != nil {
			before = j.tail() + ",{\"matches\":["
		}
		j.last, j.hits = s, 0
	}
	j.hits++
	if err := j.p.printf("%s", before); err != nil {
		return err
	}
	return j.p.printJSON(newNodeJSON(name, n))
}

func (j *findJSON) tail() string {
	return fmt.Sprintf("],\"hits\":%d,\"snapshot\":%q}", j.hits, j.last.ID)
}

func (j *findJSON) end() error {
	if j.last == nil {
		return j.p.printf("[]\n")
	}
	return j.p.printf("%s]\n", j.tail())
}
