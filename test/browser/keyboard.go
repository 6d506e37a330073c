package browser

import (
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// stop is where the focus is, as the script sees it.
type stop struct {
	HTML  string
	Wrong string // why nobody could see the focus there
	Order int    // its place among all elements
	End   bool   // the focus is at the end of the page, on nothing
	Same  bool   // it is where it was before
}

// Tab presses Tab n times, and fails the test if the focus can't be seen where it comes to, or doesn't go on.
func (p *Page) Tab(n int) {
	p.t.Helper()
	for range n {
		p.tab()
	}
}

// next presses Tab and says where that leads.
func (p *Page) next() stop {
	p.t.Helper()
	p.strike("Tab")
	return evaluate[stop](p, "backstayTest.stop()")
}

func (p *Page) tab() stop {
	p.t.Helper()
	s := p.next()
	if s.Same {
		p.fail("the focus is caught in %s", s.HTML)
	}
	if s.Wrong != "" {
		p.fail("the focus on %s can't be seen: %s", s.HTML, s.Wrong)
	}
	return s
}

// TabTo presses Tab until the focus is on what has this accessible name, or the first whose name begins so. It looks at each stop as Tab does.
func (p *Page) TabTo(name string) {
	p.t.Helper()
	visits, last := map[int]int{}, -1
	var seen []string
	for {
		s := p.tab()
		if s.End || s.Order != last { // Tab stays for some presses within a field for a time
			visits[s.Order]++
		}
		if last = s.Order; visits[s.Order] > 2 {
			p.fail("Tab never comes to %q, only to %q", name, seen)
		}
		if focused := p.Focused(); !s.End && strings.HasPrefix(focused, plain(name)) {
			return
		} else if !s.End && visits[s.Order] == 1 {
			seen = append(seen, focused)
		}
	}
}

// Focused is the accessible name of what has the focus, "" if nothing has.
func (p *Page) Focused() string {
	p.t.Helper()
	element, err := chromedp.Call(p.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: "document.activeElement"})
	p.must(err)
	if element.Result.ObjectID == "" {
		return ""
	}
	tree, err := chromedp.Call(p.ctx, accessibility.GetPartialAXTree, accessibility.GetPartialAXTreeParams{ObjectID: element.Result.ObjectID, FetchRelatives: new(false)})
	p.must(err)
	if len(tree.Nodes) == 0 || tree.Nodes[0].Name == nil || text(tree.Nodes[0].Role) == "RootWebArea" {
		return ""
	}
	return plain(text(tree.Nodes[0].Name))
}
