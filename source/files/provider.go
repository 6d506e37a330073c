package files

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/source"
)

// Provider describes folders of this machine.
var Provider = source.Provider{Kind: "files", Title: "Files and folders", Help: "Folders of the machine that Backstay runs on.", Local: true,
	Fields: []settings.Field{
		{Name: "paths", Title: "Folders and files", Help: "Absolute paths, one a line.", Kind: settings.Lines, Required: true},
		{Name: "excludes", Title: "Left out", Help: "Patterns as of backup --exclude, one a line.", Kind: settings.Lines},
		{Name: "exclude-caches", Title: "Leave out caches", Help: "Folders that are marked as caches by a CACHEDIR.TAG.", Kind: settings.Switch, Default: "true"},
		{Name: "one-file-system", Title: "Stay in the file system", Help: "What is mounted within the folders is left out.", Kind: settings.Switch, Default: "false"},
		{Name: "use-fs-snapshot", Title: "Still picture", Help: "Read from a snapshot of Btrfs, ZFS or LVM, which nothing changes meanwhile.", Kind: settings.Choice,
			Choices: []string{"never", string(StillPossible), string(StillAlways)}, Default: "never"},
	},
	Open: open, Paths: func(v settings.Values, _ source.Env) []string { return slices.Sorted(slices.Values(v.Lines("paths"))) }}

func open(v settings.Values, part source.Part, env source.Env) (source.Source, error) {
	paths := v.Lines("paths")
	for _, p := range paths {
		if !filepath.IsAbs(p) || filepath.Clean(p) != p {
			return nil, errors.New("path " + p + " is not absolute and clean, such as /srv/data")
		}
	}
	if part.Paths != nil {
		for _, p := range part.Paths {
			if !slices.ContainsFunc(paths, func(of string) bool { return p == of || strings.HasPrefix(p, strings.TrimSuffix(of, "/")+"/") }) {
				return nil, errors.New("path " + p + " lies in no folder of the source")
			}
		}
		paths = part.Paths
	}
	opt := Options{Exclude: append(v.Lines("excludes"), part.Excludes...), ExcludeCaches: v.Bool("exclude-caches"), OneFileSystem: v.Bool("one-file-system"),
		Notice: env.Notice, Clock: env.Clock}
	for _, p := range part.Without {
		for _, of := range paths {
			if p == of || strings.HasPrefix(of, strings.TrimSuffix(p, "/")+"/") {
				return nil, errors.New("path " + of + " is a part of a repository, and can't be backed up into it")
			}
		}
		opt.Exclude = append(opt.Exclude, Literal(p))
	}
	if still := v["use-fs-snapshot"]; still != "never" {
		opt.Still = Still(still)
	}
	return New(paths, opt), nil
}
