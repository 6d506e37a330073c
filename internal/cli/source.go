package cli

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/cli/size"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/source/remote"
)

// sourceFlags are the flags of backup that choose what is read.
type sourceFlags struct {
	excludes, iexcludes         []string
	excludeFiles, iexcludeFiles []string
	excludeCaches               bool
	excludeIfPresent            []string
	excludeLarger               size.Flag
	oneFileSystem               bool
	filesFrom, verbatim, raw    []string
	stdin, stdinCommand         bool
	stdinName                   string
	withAtime                   bool
	still                       string
	remote                      string
	remoteOptions               []string
}

func (f *sourceFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.excludes, "exclude", "e", nil, "leave out what matches the `pattern`; may be repeated")
	flags.StringArrayVar(&f.iexcludes, "iexclude", nil, "leave out what matches the `pattern`, small and capital letters being the same; may be repeated")
	flags.StringArrayVar(&f.excludeFiles, "exclude-file", nil, "read patterns of --exclude from a `file`, one a line")
	flags.StringArrayVar(&f.iexcludeFiles, "iexclude-file", nil, "read patterns of --iexclude from a `file`, one a line")
	flags.BoolVar(&f.excludeCaches, "exclude-caches", false, "leave out what is beside a CACHEDIR.TAG")
	flags.StringArrayVar(&f.excludeIfPresent, "exclude-if-present", nil, "leave out what is beside a file of that name (`NAME[:HEADER]`)")
	flags.Var(&f.excludeLarger, "exclude-larger-than", "leave out files larger than `SIZE`, such as 500M")
	flags.BoolVarP(&f.oneFileSystem, "one-file-system", "x", false, "stay within the file systems of the paths given")
	flags.StringArrayVar(&f.filesFrom, "files-from", nil, "read paths from a `file`, one a line, with wildcards; - is the standard input")
	flags.StringArrayVar(&f.verbatim, "files-from-verbatim", nil, "read paths from a `file`, each line taken as it is")
	flags.StringArrayVar(&f.raw, "files-from-raw", nil, "read paths from a `file`, each ended by a NUL byte")
	flags.BoolVar(&f.stdin, "stdin", false, "back up the standard input as one file")
	flags.BoolVar(&f.stdinCommand, "stdin-from-command", false, "back up what a command prints as one file; if the command fails there is no snapshot")
	flags.StringVar(&f.stdinName, "stdin-filename", "stdin", "`name` in the snapshot of what --stdin and --stdin-from-command read")
	flags.StringVar(&f.remote, "remote", "", "back up the folder at a `location`, such as sftp:user@host:/srv/data, instead of paths; see 'backstay help locations'")
	flags.StringArrayVar(&f.remoteOptions, "remote-option", nil, "`name=value` of a setting of the storage at --remote, as --option is for repositories; may be repeated")
	flags.BoolVar(&f.withAtime, "with-atime", false, "save access times")
	flags.StringVar(&f.still, "use-fs-snapshot", "", "read from snapshots of Btrfs, ZFS and LVM, which nothing changes meanwhile; `when` is try (what has none is read as it is) or require")
	flags.Lookup("use-fs-snapshot").NoOptDefVal = string(files.StillPossible)
}

// chosen is a source and what a snapshot says of it.
type chosen struct {
	source   source.Source
	paths    []string
	excludes []string
	again    bool // it can be gone through a second time at little cost, to estimate how much there is
}

// source returns what backup is to read.
func (p *program) source(f *sourceFlags, args []string, ts []target) (chosen, error) {
	name := path.Clean("/" + f.stdinName)[1:]
	switch {
	case f.still != "" && (f.stdin || f.stdinCommand || f.remote != ""):
		return chosen{}, backstay.Errorf(backstay.Invalid, "--use-fs-snapshot is for paths of this machine")
	case f.stdin && f.stdinCommand:
		return chosen{}, backstay.Errorf(backstay.Invalid, "--stdin and --stdin-from-command exclude each other")
	case (f.stdin || f.stdinCommand) && (name == "" || strings.Contains(name, "/")):
		return chosen{}, backstay.Errorf(backstay.Invalid, "--stdin-filename %q: it is the name of one file", f.stdinName)
	case f.stdin && len(args) > 0:
		return chosen{}, backstay.Errorf(backstay.Invalid, "--stdin takes no paths, %d given", len(args))
	case f.stdin:
		open := func() (io.ReadCloser, error) { return io.NopCloser(p.sys.Stdin), nil }
		return chosen{source: files.NewReader(name, p.sys.Clock, open), paths: []string{"/" + name}}, nil
	case f.stdinCommand && len(args) == 0:
		return chosen{}, backstay.Errorf(backstay.Invalid, "--stdin-from-command: no command is given").WithHint("Write it at the end, after --")
	case f.stdinCommand:
		return chosen{source: files.NewCommand(name, p.sys.Clock, args...), paths: []string{"/" + name}}, nil
	case f.remote != "" && len(args) > 0:
		return chosen{}, backstay.Errorf(backstay.Invalid, "--remote takes no paths, %d given", len(args)).WithHint("Name the folder in the location.")
	case f.remote != "":
		return p.remoteSource(f)
	}
	return p.fileSource(f, args, ts)
}

// remoteSource returns a folder behind a server.
func (p *program) remoteSource(f *sourceFlags) (chosen, error) {
	opt, err := p.storageOptions(f.remoteOptions)
	if err != nil {
		return chosen{}, err
	}
	folder, err := kinds.Browse(f.remote, opt)
	if err != nil {
		return chosen{}, err
	}
	var sel files.SelectOptions
	if sel.Exclude, err = p.readPatterns(f.excludes, f.excludeFiles); err != nil {
		return chosen{}, err
	}
	if sel.InsensitiveExclude, err = p.readPatterns(f.iexcludes, f.iexcludeFiles); err != nil {
		return chosen{}, err
	}
	selection, err := files.NewSelection(sel)
	if err != nil {
		return chosen{}, err
	}
	exclude := func(path string, dir bool) bool {
		take, _ := selection.Select(path, dir)
		return !take
	}
	return chosen{source: remote.New(folder, remote.Options{Exclude: exclude}), paths: []string{kinds.SnapshotPath(f.remote)},
		excludes: slices.Concat(sel.Exclude, sel.InsensitiveExclude)}, nil
}

func (p *program) fileSource(f *sourceFlags, args []string, ts []target) (chosen, error) {
	paths, err := p.paths(f, args)
	if err != nil {
		return chosen{}, err
	}
	if !slices.Contains([]files.Still{files.StillNever, files.StillPossible, files.StillAlways}, files.Still(f.still)) {
		return chosen{}, backstay.Errorf(backstay.Invalid, "--use-fs-snapshot=%s: it is try or require", f.still)
	}
	opt := files.Options{Exclude: f.excludes, InsensitiveExclude: f.iexcludes, ExcludeCaches: f.excludeCaches, ExcludeIfPresent: f.excludeIfPresent,
		ExcludeLargerThan: int64(f.excludeLarger), OneFileSystem: f.oneFileSystem, AccessTime: f.withAtime,
		Still: files.Still(f.still), Notice: p.notice, Clock: p.sys.Clock}
	if opt.Exclude, err = p.readPatterns(opt.Exclude, f.excludeFiles); err != nil {
		return chosen{}, err
	}
	if opt.InsensitiveExclude, err = p.readPatterns(opt.InsensitiveExclude, f.iexcludeFiles); err != nil {
		return chosen{}, err
	}
	told := append(append([]string{}, opt.Exclude...), opt.InsensitiveExclude...)
	for _, t := range ts {
		pattern, err := p.leaveOut(t, paths)
		if err != nil {
			return chosen{}, err
		}
		if pattern != "" {
			opt.Exclude = append(opt.Exclude, pattern)
		}
	}
	src := files.New(paths, opt)
	return chosen{source: src, paths: src.Paths(), excludes: told, again: opt.Still == files.StillNever}, nil // another walk would take snapshots of its own
}

// leaveOut returns the pattern of a repository that lies in one of the paths: it would be backed up into itself, and grow for ever.
func (p *program) leaveOut(t target, paths []string) (pattern string, err error) {
	dir, ok := kinds.LocalPath(t.location)
	if !ok {
		return "", nil
	}
	for _, path := range paths {
		if _, within, err := inside(path, dir); err != nil {
			return "", err
		} else if within {
			return "", backstay.Errorf(backstay.Invalid, "%q is a part of the repository %q, and can't be backed up into it", path, t.location)
		}
		rel, within, err := inside(dir, path)
		if err != nil {
			return "", err
		}
		if within {
			p.notice(fmt.Sprintf("the repository %q lies in %q: it is left out of the backup", t.location, path))
			path, err = filepath.Abs(path)
			return files.Literal(filepath.Join(path, rel)), err
		}
	}
	return "", nil
}

// paths returns what is to be backed up: the arguments, and what lists name.
func (p *program) paths(f *sourceFlags, args []string) ([]string, error) {
	paths := append([]string{}, args...)
	globs := func(r io.Reader) ([]string, error) {
		found, missed, err := files.ReadGlobs(r)
		for _, line := range missed {
			p.notice(fmt.Sprintf("%q in the list of paths matches nothing", line))
		}
		return found, err
	}
	for _, list := range []struct {
		names []string
		read  func(io.Reader) ([]string, error)
	}{{f.filesFrom, globs}, {f.verbatim, files.ReadVerbatim}, {f.raw, files.ReadRaw}} {
		for _, name := range list.names {
			more, err := p.readList(name, list.read)
			if err != nil {
				return nil, err
			}
			paths = append(paths, more...)
		}
	}
	if len(paths) == 0 {
		return nil, backstay.Errorf(backstay.Invalid, "nothing to back up is named").WithHint("Name files or folders: backstay backup -r LOCATION PATH...")
	}
	return paths, nil
}

// readList reads a list from a file, or from the standard input if its name is "-".
func (p *program) readList(name string, read func(io.Reader) ([]string, error)) ([]string, error) {
	if name == "-" {
		return read(p.sys.Stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	list, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("read list %q: %w", name, err)
	}
	return list, nil
}

func (p *program) readPatterns(patterns, names []string) ([]string, error) {
	for _, name := range names {
		more, err := p.readList(name, func(r io.Reader) ([]string, error) { return files.ReadPatterns(r, p.sys.Getenv) })
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, more...)
	}
	return patterns, nil
}
