package files

import (
	"path"
	"strings"
)

// SelectOptions say which paths of a snapshot are restored, by patterns (see ReadPatterns).
type SelectOptions struct {
	Include            []string // only what matches, and what is in it; none: everything
	InsensitiveInclude []string // the same without regard to case
	Exclude            []string // but not this
	InsensitiveExclude []string
}

// Selection decides which paths are restored. It is used by one goroutine.
type Selection struct {
	include, exclude *filter // include is nil where everything is
	dir              string  // of the last path asked for, with what the patterns make of it; excluded is nil before the first
	included         *filterPath
	excluded         *filterPath
}

// NewSelection reads the patterns.
func NewSelection(opt SelectOptions) (*Selection, error) {
	s := new(Selection)
	var err error
	if len(opt.Include)+len(opt.InsensitiveInclude) > 0 {
		if s.include, err = newFilter(Options{Exclude: opt.Include, InsensitiveExclude: opt.InsensitiveInclude}); err != nil {
			return nil, err
		}
	}
	s.exclude, err = newFilter(Options{Exclude: opt.Exclude, InsensitiveExclude: opt.InsensitiveExclude})
	return s, err
}

// All reports whether there are no patterns: everything is restored.
func (s *Selection) All() bool {
	return s.include == nil && len(s.exclude.lists[0].patterns)+len(s.exclude.lists[1].patterns) == 0
}

// Select says whether a path of a snapshot is taken, and for a directory whether something in it may be.
func (s *Selection) Select(name string, dir bool) (take, descend bool) {
	parent, base := path.Split(name)
	if parent = strings.TrimSuffix(parent, "/"); parent != s.dir || s.excluded == nil {
		s.dir = parent
		s.excluded = s.exclude.absolute("/" + parent)
		if s.include != nil {
			s.included = s.include.absolute("/" + parent)
		}
	}
	if s.exclude.excludes(s.excluded, base) {
		return false, false
	}
	if s.include == nil {
		return true, true
	}
	take = s.include.excludes(s.included, base)
	return take, dir && (take || s.include.leads(s.include.enter(s.included, base)))
}

// leads reports whether something in a directory may match a pattern.
func (f *filter) leads(dir *filterPath) bool {
	for _, list := range f.lists {
		for i := range list.patterns {
			if list.patterns[i].leads(dir) {
				return true
			}
		}
	}
	return false
}

// leads reports whether something in a directory may match: always for a pattern that may begin anywhere, else if the elements of the
// directory's path match the first ones of the pattern.
func (p *filterPattern) leads(dir *filterPath) bool {
	if !p.elements[0].plain || p.elements[0].text != "/" {
		return true
	}
	var names []*filterPath
	for at := dir; at != nil; at = at.parent {
		names = append(names, at)
	}
	for i, e := range p.elements {
		if e.any || i == len(names) {
			return true
		}
		name := names[len(names)-1-i]
		if !e.match(name.as(p.lower), name.parent == nil) {
			return false
		}
	}
	return false // it matches the directory, or one above
}
