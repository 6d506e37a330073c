package files

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// filter decides what is left out.
type filter struct {
	lists      []filterList
	tags       []filterTag
	largerThan int64
	oneSystem  bool
}

// filterList is one list of patterns. A pattern with an exclamation mark takes back what those before it said.
type filterList struct {
	patterns []filterPattern
	lower    bool
}

func newFilter(opt Options) (*filter, error) {
	f := &filter{largerThan: opt.ExcludeLargerThan, oneSystem: opt.OneFileSystem}
	for _, l := range []struct {
		patterns []string
		lower    bool
	}{{opt.Exclude, false}, {opt.InsensitiveExclude, true}} {
		list := filterList{lower: l.lower}
		for _, p := range l.patterns {
			pattern, err := newFilterPattern(p, l.lower)
			if err != nil {
				return nil, err
			}
			list.patterns = append(list.patterns, pattern)
		}
		f.lists = append(f.lists, list)
	}
	if opt.ExcludeCaches {
		f.tags = append(f.tags, filterTag{"CACHEDIR.TAG", []byte("Signature: 8a477f597d28d172789f06886806bc55")})
	}
	for _, s := range opt.ExcludeIfPresent {
		name, header, _ := strings.Cut(s, ":")
		if name == "" || strings.Contains(name, "/") {
			return nil, fmt.Errorf("exclude beside %q: not the name of a file", s)
		}
		f.tags = append(f.tags, filterTag{name, []byte(header)})
	}
	return f, nil
}

// filterPath is a name as patterns see it: the last of the elements of an absolute path. The first is the root, "/".
type filterPath struct {
	parent  *filterPath // nil: the root
	name    string
	lower   string
	matched []uint64 // bits: the patterns that match it or a directory above; nil: none do
}

// enter returns the path of what is called name in dir.
func (f *filter) enter(dir *filterPath, name string) *filterPath {
	p := &filterPath{parent: dir, name: name, lower: name}
	if dir != nil {
		p.matched = dir.matched
	}
	owned := false
	n := 0
	for _, list := range f.lists {
		if list.lower {
			p.lower = strings.ToLower(name)
		}
		for i := range list.patterns {
			if !p.has(n) && list.patterns[i].match(p) {
				if !owned {
					p.matched, owned = append(make([]uint64, 0, n/64+1), p.matched...), true
				}
				p.add(n)
			}
			n++
		}
	}
	return p
}

func (p *filterPath) has(n int) bool {
	return n/64 < len(p.matched) && p.matched[n/64]&(1<<(n%64)) != 0
}

func (p *filterPath) add(n int) {
	for len(p.matched) <= n/64 {
		p.matched = append(p.matched, 0)
	}
	p.matched[n/64] |= 1 << (n % 64)
}

// absolute returns the path of the absolute, clean path s.
func (f *filter) absolute(s string) *filterPath {
	p := f.enter(nil, "/")
	for name := range strings.SplitSeq(s, "/") {
		if name != "" {
			p = f.enter(p, name)
		}
	}
	return p
}

// excludes says whether the patterns leave out what is called name in dir.
func (f *filter) excludes(dir *filterPath, name string) bool {
	p := filterPath{parent: dir, name: name, matched: dir.matched}
	n := 0
	for _, list := range f.lists {
		if list.lower && len(list.patterns) > 0 {
			p.lower = strings.ToLower(name)
		}
		out := false
		for i := range list.patterns {
			pattern := &list.patterns[i]
			// A pattern that could only say again what is decided already is not tried.
			if out == pattern.negated && (p.has(n) || pattern.match(&p)) {
				out = !pattern.negated
			}
			n++
		}
		if out {
			return true
		}
	}
	return false
}

// tooLarge says whether st is left out for its size.
func (f *filter) tooLarge(st *unix.Stat_t) bool {
	return f.largerThan > 0 && st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Size > f.largerThan
}

// filterTag is a file whose being there, with this beginning, says that what is beside it need not be kept.
type filterTag struct {
	name   string
	header []byte
}

// tagged returns the names of the tags that stand in the directory dir. Something that only looks like a tag, or
// can't be read, is none: rather too much is kept than too little.
func (f *filter) tagged(dir int) (names []string) {
	for _, t := range f.tags {
		if t.in(dir) {
			names = append(names, t.name)
		}
	}
	return names
}

// besideTag says whether name is in a directory with a tag, and isn't that tag.
func besideTag(tags []string, name string) bool {
	for _, t := range tags {
		if t != name {
			return true
		}
	}
	return false
}

func (t filterTag) in(dir int) bool {
	if st, err := atStat(dir, t.name); err != nil || st == nil {
		return false
	}
	if len(t.header) == 0 {
		return true
	}
	in, err := atOpenRead(dir, t.name)
	if err != nil {
		return false
	}
	p := make([]byte, len(t.header))
	_, err = io.ReadFull(io.NewSectionReader(in, 0, int64(len(p))), p)
	return unix.Close(int(in)) == nil && err == nil && bytes.Equal(p, t.header)
}
