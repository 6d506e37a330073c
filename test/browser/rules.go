package browser

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Outline is what a page is, for whom can't see it at a glance.
type Outline struct {
	Title, Lang   string
	H1, Navs      []string
	Mains, Banner int
	Help          string // where the way to help is
}

// Outline is that of the page that is open.
func (p *Page) Outline() Outline {
	p.t.Helper()
	return evaluate[Outline](p, "backstayTest.outline()")
}

// What people may do to a page that is hard to read: a font of theirs, which is wider, and more space (WCAG 1.4.12). Nothing is lost by it.
const (
	wideFont = `* { font-family: Verdana, "DejaVu Sans", sans-serif !important; font-stretch: expanded !important }`
	spacing  = `* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-block-end: 2em !important }`
)

// Reflow has the page shown on a small phone with a wide font and with more space, and fails the test where it is scrolled sideways or text is
// cut off.
func (p *Page) Reflow() {
	p.t.Helper()
	before := p.look
	for name, rules := range map[string]string{"a wide font": wideFont, "more space": wideFont + spacing} {
		p.restyle(rules)
		for _, width := range Widths {
			p.Size(width, 800)
			if wide := p.sideways(); wide != "" {
				p.t.Errorf("%s at %d with %s is scrolled sideways: %s", p.URL(), width, name, wide)
			}
			for _, cut := range evaluate[[]string](p, "backstayTest.cut()") {
				p.t.Errorf("%s at %d with %s: text is cut off in %s", p.URL(), width, name, cut)
			}
		}
	}
	p.restyle("")
	p.look = before
	p.must(p.show())
}

func (p *Page) restyle(rules string) {
	p.t.Helper()
	text, err := json.Marshal(rules)
	p.must(err)
	p.Evaluate("backstayTest.restyle(" + string(text) + ")")
}

// Fingers has the page used by a finger on a phone, and fails the test for each target of less than 44 pixels.
func (p *Page) Fingers() {
	p.t.Helper()
	before := p.look
	p.look.width, p.look.touch = 360, true
	p.must(p.show())
	for _, small := range evaluate[[]string](p, "backstayTest.small(44)") {
		p.t.Errorf("%s: too small for a finger, %s", p.URL(), small)
	}
	p.look = before
	p.must(p.show())
}

// Walk presses Tab from the beginning of the page to its end, and fails the test where the focus can't be seen, where that is not the order of
// the document, and if something is left out.
func (p *Page) Walk() {
	p.t.Helper()
	p.Evaluate("backstayTest.begin()")
	left := evaluate[[]stop](p, "backstayTest.stops()")
	before, where := stop{Order: -1}, fmt.Sprintf("%s at %d", p.URL(), p.look.width)
	for range len(left) + 20 {
		s := p.next()
		if s.End || s.Order < before.Order && len(left) == 0 { // it begins again
			break
		}
		if s.Same {
			p.t.Errorf("%s: the focus is caught in %s", where, s.HTML)
			break
		}
		if s.Order < before.Order {
			p.t.Errorf("%s: the focus goes back from %s to %s", where, before.HTML, s.HTML)
		}
		if s.Wrong != "" {
			p.t.Errorf("%s: the focus on %s can't be seen: %s", where, s.HTML, s.Wrong)
		}
		before = s
		left = slices.DeleteFunc(left, func(x stop) bool { return x.Order == s.Order })
	}
	for _, s := range left {
		p.t.Errorf("%s: Tab never comes to %s", where, s.HTML)
	}
}

// Bytes is how much came over the network since it was asked last, as it was sent: compressed, and with its headers.
func (p *Page) Bytes() int64 { return p.watch.take() }

// Shift is how far the page has moved under the eyes of the person since it was opened, as browsers measure it: 0 is not at all.
func (p *Page) Shift() float64 {
	p.t.Helper()
	return evaluate[float64](p, "backstayTest.shift()")
}
