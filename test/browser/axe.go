package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// tags are the rules that pages are held against: WCAG 2.2 A and AA, and what is good practice. No rule is left out.
const tags = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`

// loadAxe reads the checker, once.
var loadAxe = sync.OnceValues(func() (string, error) {
	dir, err := root()
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(filepath.Join(dir, "bin", "axe-core", "axe.min.js"))
	return string(source), err
})

// finding is a rule that a page breaks.
type finding struct {
	Rule, Help string
	Nodes      []struct{ Target, HTML, Why string }
}

func (f finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", f.Rule, f.Help)
	for _, n := range f.Nodes {
		fmt.Fprintf(&b, "\n\tat %s\n\t\t%.300s\n\t\t%s", n.Target, n.HTML, strings.ReplaceAll(n.Why, "\n", "\n\t\t"))
	}
	return b.String()
}

// Axe has axe-core look at the page as it is, and fails the test for each rule that it breaks.
func (p *Page) Axe() {
	p.t.Helper()
	p.axe("")
}

func (p *Page) axe(where string) {
	p.t.Helper()
	source, err := loadAxe()
	if err != nil {
		p.t.Skipf("axe-core is missing (%v); scripts/prerequisites.sh fetches it", err)
	}
	if !evaluate[bool](p, `"axe" in window`) {
		evaluate[bool](p, source+"; true")
	}
	result := evaluate[struct {
		Broken []finding
		Ran    []string
	}](p, "backstayTest.axe("+tags+")")
	for _, rule := range []string{"target-size", "color-contrast"} {
		if !slices.Contains(result.Ran, rule) {
			p.t.Errorf("%s%s: axe-core did not check %s", p.URL(), where, rule)
		}
	}
	for _, f := range result.Broken {
		p.t.Errorf("%s%s: %s", p.URL(), where, f)
	}
}

// Widths are those of a small phone, a tablet and a laptop.
var Widths = []int64{320, 768, 1280}

// State is what a page can be brought to without loading it anew.
type State struct {
	Name  string
	Enter func(p *Page)
}

// Everywhere has the page that is open looked at by axe-core in each state, light and dark, on a phone, a tablet and a laptop, and fails the test
// where it has to be scrolled sideways. Without a state it is looked at as it is.
func (p *Page) Everywhere(states ...State) {
	p.t.Helper()
	before := p.look
	for _, s := range append([]State{{Enter: func(*Page) {}}}, states...) {
		s.Enter(p)
		for _, width := range Widths {
			p.Size(width, 800)
			for _, theme := range []string{"light", "dark"} {
				p.Theme(theme)
				where := strings.TrimSuffix(fmt.Sprintf(" at %d, %s, %s", width, theme, s.Name), ", ")
				p.axe(where)
			}
			if wide := p.sideways(); wide != "" {
				p.t.Errorf("%s at %d %s is scrolled sideways: %s", p.URL(), width, s.Name, wide)
			}
		}
	}
	p.look = before
	p.must(p.show())
}

// sideways names what makes the page wider than its window, "" if nothing does.
func (p *Page) sideways() string {
	p.t.Helper()
	return evaluate[string](p, "backstayTest.sideways()")
}
