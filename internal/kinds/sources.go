package kinds

import (
	"fmt"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/source/remote"
)

// Sources lists every kind of source.
func Sources() []source.Provider {
	return []source.Provider{
		files.Provider,
		remote.Provider,
	}
}

// FindSource returns a kind of source by its name.
func FindSource(kind string) (source.Provider, error) {
	for _, p := range Sources() {
		if p.Kind == kind {
			return p, nil
		}
	}
	return source.Provider{}, fmt.Errorf("%w: there is no kind of source %q", ErrUnknown, kind)
}

// OpenSource returns a source, and the paths that its snapshots say.
func OpenSource(kind string, v settings.Values, part source.Part, opt Options, notice func(string)) (source.Source, []string, error) {
	p, err := FindSource(kind)
	if err != nil {
		return nil, nil, err
	}
	if v, err = settings.Check(p.Fields, v); err != nil {
		return nil, nil, err
	}
	opt = opt.withDefaults()
	env := source.Env{Clock: opt.Clock, Notice: notice, Path: SnapshotPath,
		Browse: func(location string, v settings.Values) (source.Folder, error) {
			opt := opt
			opt.Settings = v
			return Browse(location, opt)
		},
		Exclude: func(patterns []string) (func(path string, dir bool) bool, error) {
			selection, err := files.NewSelection(files.SelectOptions{Exclude: patterns})
			if err != nil {
				return nil, err
			}
			return func(path string, dir bool) bool {
				take, _ := selection.Select(path, dir)
				return !take
			}, nil
		}}
	src, err := p.Open(v, part, env)
	if err != nil {
		return nil, nil, fmt.Errorf("open source of kind %q: %w", kind, err)
	}
	return src, p.Paths(v, env), nil
}
