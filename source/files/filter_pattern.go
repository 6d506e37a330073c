package files

import (
	"fmt"
	"path/filepath"
	"strings"
)

// filterPattern is one pattern: elements that names of a path have to match one after the other.
type filterPattern struct {
	elements []filterElement
	negated  bool
	lower    bool
}

// filterElement matches one name, or with any set any number of them.
type filterElement struct {
	text   string
	plain  bool // text is the name itself
	suffix bool // text is how the name ends: the most common kind, *.tmp, should cost little
	any    bool
}

// newFilterPattern reads a pattern. With lower set it is compared with names in lower case.
func newFilterPattern(s string, lower bool) (filterPattern, error) {
	p := filterPattern{lower: lower}
	text := s
	if text, p.negated = strings.CutPrefix(s, "!"); text == "" {
		return p, fmt.Errorf("pattern %q is empty", s)
	}
	if lower {
		text = strings.ToLower(text)
	}
	text = filepath.Clean(text)
	if strings.HasPrefix(text, "/") {
		p.elements = append(p.elements, filterElement{text: "/", plain: true})
	}
	for e := range strings.SplitSeq(strings.Trim(text, "/"), "/") {
		if e == "" {
			continue
		}
		if _, err := filepath.Match(e, ""); err != nil {
			return p, fmt.Errorf("pattern %q: %w", s, err)
		}
		p.elements = append(p.elements, newFilterElement(e))
	}
	return p, nil
}

func newFilterElement(s string) filterElement {
	const special = `*?[\`
	end, star := strings.CutPrefix(s, "*")
	switch {
	case s == "**":
		return filterElement{any: true}
	case star && !strings.ContainsAny(end, special):
		return filterElement{text: end, suffix: true}
	default:
		return filterElement{text: s, plain: !strings.ContainsAny(s, special)}
	}
}

// match says whether the pattern matches path: whether the elements match its last names, for a pattern that begins
// with a slash all of them. That it matches a directory above is not looked at: see filterPath.matched.
func (p *filterPattern) match(path *filterPath) bool {
	return p.matchEnd(p.elements, path)
}

func (p *filterPattern) matchEnd(elements []filterElement, path *filterPath) bool {
	for len(elements) > 0 {
		last := &elements[len(elements)-1]
		elements = elements[:len(elements)-1]
		if last.any {
			return p.matchAny(elements, path)
		}
		if path == nil || !last.match(path.as(p.lower), path.parent == nil) {
			return false
		}
		path = path.parent
	}
	return true
}

// matchAny lets any number of names go before the elements have to match. The root is never one of them.
func (p *filterPattern) matchAny(elements []filterElement, path *filterPath) bool {
	for !p.matchEnd(elements, path) {
		if path == nil || path.parent == nil {
			return false
		}
		path = path.parent
	}
	return true
}

func (p *filterPath) as(lower bool) string {
	if lower {
		return p.lower
	}
	return p.name
}

func (e *filterElement) match(name string, root bool) bool {
	switch {
	case e.plain:
		return e.text == name
	case root:
		return false
	case e.suffix:
		return strings.HasSuffix(name, e.text)
	}
	ok, err := filepath.Match(e.text, name)
	return ok && err == nil // the pattern was tried when it was read
}
