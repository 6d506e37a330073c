package browser

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// What a thing with a name is called in the tree that screen readers are given.
var (
	pressed = []string{"link", "button", "checkbox", "radio", "switch", "tab", "option", "menuitem", "treeitem", "row", "DisclosureTriangle", "columnheader"}
	filled  = []string{"textbox", "searchbox", "spinbutton", "combobox", "Date", "DateTime", "InputTime"}
	chosen  = []string{"combobox", "listbox", "group", "radiogroup"}
)

// thing is what a page has, as screen readers are told.
type thing struct {
	role, name string
	node       cdp.BackendNodeID
}

// things are all that have a name, in the order of the page.
func (p *Page) things(roles []string) (all []thing) {
	p.t.Helper()
	tree, err := chromedp.Call(p.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	p.must(err)
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil || n.Name == nil || n.BackendDOMNodeID == 0 {
			continue
		}
		t := thing{role: text(n.Role), name: plain(text(n.Name)), node: n.BackendDOMNodeID}
		if slices.Contains(roles, t.role) && t.name != "" {
			all = append(all, t)
		}
	}
	return all
}

func text(v *accessibility.Value) string {
	var s string
	if err := json.Unmarshal(v.Value, &s); err != nil {
		return string(v.Value)
	}
	return s
}

// find waits for what has an accessible name, or the first whose name begins with it. The rest of a name is often what the eye sees beside it:
// "Open" is "Open the backup of ERP".
func (p *Page) find(name string, roles []string) cdp.BackendNodeID {
	p.t.Helper()
	var there []thing
	var found cdp.BackendNodeID
	if !p.until(func() bool {
		there = p.things(roles)
		i := slices.IndexFunc(there, func(t thing) bool { return t.name == plain(name) })
		if i < 0 {
			i = slices.IndexFunc(there, func(t thing) bool { return strings.HasPrefix(t.name, plain(name)) })
		}
		if i >= 0 {
			found = there[i].node
		}
		return i >= 0
	}) {
		p.fail("there is no %q; there are %s", name, names(there))
	}
	return found
}

func names(all []thing) string {
	var words []string
	for _, t := range all {
		words = append(words, fmt.Sprintf("%s %q", t.role, t.name))
	}
	return strings.Join(words, ", ")
}

// Has reports whether there is a link, button or the like with this accessible name now.
func (p *Page) Has(name string) bool {
	p.t.Helper()
	return slices.ContainsFunc(p.things(pressed), func(t thing) bool { return t.name == plain(name) })
}

// Names are the accessible names of all links, buttons and the like, in the order of the page.
func (p *Page) Names() (all []string) {
	p.t.Helper()
	for _, t := range p.things(pressed) {
		all = append(all, t.name)
	}
	return all
}

// on calls a function of script with an element as its first argument.
func on[T any](p *Page, node cdp.BackendNodeID, function string, args ...any) T {
	p.t.Helper()
	element, err := chromedp.Call(p.ctx, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: node})
	p.must(err)
	value, err := chromedp.Run(p.ctx, chromedp.CallFunctionOn[T]("function (...args) { return ("+function+")(this, ...args) }",
		func(c *runtime.CallFunctionOnParams) { c.ObjectID = element.Object.ObjectID }, args...))
	if err != nil {
		p.t.Fatalf("%s: %v", function, err)
	}
	return value
}

// Click presses what has an accessible name, where a person would: at its middle. It waits until the page is still.
func (p *Page) Click(name string) {
	p.t.Helper()
	p.press(name, p.find(name, pressed))
}

func (p *Page) press(name string, node cdp.BackendNodeID) {
	p.t.Helper()
	at := on[struct {
		X, Y float64
		Over string
	}](p, node, "backstayTest.middle")
	if at.Over != "" {
		p.fail("%q can't be pressed: %s", name, at.Over)
	}
	p.must(chromedp.Do(p.ctx, chromedp.MouseClickXY(at.X, at.Y)))
	p.watch.stir()
	p.WaitStill()
}

// Fill writes into the field with a label, in place of what is there.
func (p *Page) Fill(label, value string) {
	p.t.Helper()
	node := p.find(label, filled)
	if on[bool](p, node, "backstayTest.set", value) {
		return // what is no text is not written letter by letter
	}
	if value == "" {
		p.Press("Backspace")
		return
	}
	_, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: value})
	p.must(err)
}

// Value is what stands in the field with a label.
func (p *Page) Value(label string) string {
	p.t.Helper()
	return on[string](p, p.find(label, filled), "(el) => el.value")
}

// Choose takes an option of a list, or presses a radio button or check box, of the field or group with a label.
func (p *Page) Choose(label, option string) {
	p.t.Helper()
	switch node := p.find(label, chosen); on[string](p, node, "backstayTest.choose", option) {
	case "chosen":
		p.watch.stir()
		p.WaitStill()
	case "none":
		p.fail("%q has no option %q", label, option)
	case "press":
		p.press(option, p.within(node, option))
	}
}

// within is the radio button or check box with a name in a group.
func (p *Page) within(group cdp.BackendNodeID, name string) cdp.BackendNodeID {
	p.t.Helper()
	tree, err := chromedp.Call(p.ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{BackendNodeID: group})
	p.must(err)
	var there []thing
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil || n.Name == nil {
			continue
		}
		t := thing{role: text(n.Role), name: plain(text(n.Name)), node: n.BackendDOMNodeID}
		if t.role != "radio" && t.role != "checkbox" && t.role != "switch" {
			continue
		}
		if there = append(there, t); strings.HasPrefix(t.name, plain(name)) {
			return t.node
		}
	}
	p.fail("the group has no %q; it has %s", name, names(there))
	return 0
}

// keys are those that have no letter of their own.
var keys = map[string]string{"Tab": kb.Tab, "Enter": kb.Enter, "Space": " ", "Escape": kb.Escape, "Backspace": kb.Backspace, "Delete": kb.Delete, "Home": kb.Home, "End": kb.End,
	"PageUp": kb.PageUp, "PageDown": kb.PageDown, "ArrowUp": kb.ArrowUp, "ArrowDown": kb.ArrowDown, "ArrowLeft": kb.ArrowLeft, "ArrowRight": kb.ArrowRight}

var modifiers = map[string]chromedp.Modifier{"Shift": kb.ModifierShift, "Control": kb.ModifierCtrl, "Alt": kb.ModifierAlt}

// Press presses keys one after the other: a letter, or a name such as Enter, ArrowDown, Shift+Tab, Control+k. It waits until the page is still.
func (p *Page) Press(all ...string) {
	p.t.Helper()
	p.strike(all...)
	p.watch.stir()
	p.WaitStill()
}

func (p *Page) strike(all ...string) {
	p.t.Helper()
	for _, key := range all {
		var held []chromedp.Modifier
		for {
			name, rest, more := strings.Cut(key, "+")
			m, ok := modifiers[name]
			if !more || !ok {
				break
			}
			held, key = append(held, m), rest
		}
		letter, ok := keys[key]
		if !ok && utf8.RuneCountInString(key) != 1 {
			p.t.Fatalf("there is no key %q", key)
		}
		if !ok {
			letter = key
		}
		p.must(chromedp.Do(p.ctx, chromedp.KeyEvent(letter, chromedp.KeyModifiers(held...))))
	}
}

// Type writes into what has the focus, in place of nothing.
func (p *Page) Type(value string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: value})
	p.must(err)
}
