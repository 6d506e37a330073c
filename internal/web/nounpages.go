package web

import (
	"cmp"
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// record is a noun that has a backstay.Record.
type record[T any] interface {
	*T
	Base() *backstay.Record
}

// nounPages are the pages that nouns have alike: the list, one thing, the form to make and change one, and the question before one is
// deleted. What is special about a noun is a function of it; what has a page of its own leaves the function for it nil.
type nounPages[T any, P record[T]] struct {
	noun      *app.Noun[T, P]
	path      string // of the list
	icon      string
	one, many string // what it is called, such as "group" and "groups"
	lead      string // what they are for, in a sentence
	filters   []string
	columns   []string                              // of the list, after the name
	row       func(v *visit, x P) row               // without a link: that is added
	fields    func(v *visit, x P) ([]group, error)  // of the form, with the values of x; nil where none can be made or changed
	list      func(v *visit) error                  // in place of the list that is made of columns and rows
	facts     func(v *visit, x P) ([]fact, error)   // what the page of one says
	page      func(v *visit, x P) error             // in place of the page that is made of facts; without both there is none
	acts      func(v *visit, x P) []act             // what can be done on that page, beside changing and deleting
	goes      func(v *visit, x P) string            // what is lost when one is deleted, and what stays; nil where none can be deleted
	typed     bool                                  // its name has to be typed to delete it
	kinds     func(v *visit) []app.Kind             // that a new one is one of, if it has to be chosen first
	create    func(v *visit, x T) (T, error)        // in place of the noun's own
	made      func(v *visit, x P) (to, done string) // where to go on after one was made; by default its page

	first  string                                   // the title of the first column, where things have no name to sort by
	sorts  map[string]string                        // of columns that the list can be sorted by, the fields
	order  string                                   // what the list is sorted by until somebody says so; by default the newest is first
	pick   func(v *visit) ([]*field, error)         // what a list can be narrowed by, above it
	whole  func(x P) bool                           // it is nobody's to change or delete, such as what is built in; nil: none is
	about  func(v *visit, x P) string               // a sentence below the name on the page of one
	parts  func(v *visit, x P) ([]thingPart, error) // what stands below the facts on the page of one
	adds   string                                   // the words that lead to the form of a new one
	tidy   func(tree map[string]any)                // see form.tidy
	narrow func(l *app.List)                        // says in another way what is searched for
	lies   func(x P) backstay.Scope                 // where one lies that tells it in another way than others
}

// fact is something that is so, on a page of one thing.
type fact struct {
	Name string
	Text any // a string or html
	Pill *pill
}

// thingPart is one card on a page of a thing.
type thingPart struct {
	Title, Text string
	Note        *notice
	Facts       []fact
	Table       *table
	Search      *search
	Acts        []act
}

// registerNoun registers the pages.
func registerNoun[T any, P record[T]](s *Site, n nounPages[T, P]) {
	if n.list == nil {
		n.list = n.listing
	}
	s.get(n.path, n.list)
	if n.hasPage() {
		s.get(n.path+"/{id}", n.show)
	}
	if n.fields != nil {
		s.get(n.path+"/new", n.fresh)
		s.post(n.path, n.add)
		s.get(n.path+"/{id}/edit", n.edit)
		s.post(n.path+"/{id}/edit", n.change)
	}
	if n.goes != nil {
		s.get(n.path+"/{id}/delete", n.question)
		s.post(n.path+"/{id}/delete", n.remove)
	}
}

// hasPage reports whether there is a page for one thing.
func (n nounPages[T, P]) hasPage() bool { return n.facts != nil || n.page != nil }

// at is where one thing is: its page, or the list where it has none.
func (n nounPages[T, P]) at(x P) string {
	if n.hasPage() && x.Base().ID != "" {
		return n.path + "/" + x.Base().ID
	}
	return n.path
}

// listPage is a page with a list.
type listPage struct {
	frame
	Heading, Lead string
	Back          tab // where it is no page of its own
	Acts          []act
	Search        *search
	Tabs          []tab
	Table         table
}

// search is the field above a list.
type search struct {
	Label, Value string   // without a label there is no text to search for
	Keep         []sent   // what else the address asks for
	Fields       []*field // what else can be chosen
}

// tab is a page beside others of its kind.
type tab struct {
	Href, Word string
	Current    bool
}

func (n nounPages[T, P]) listing(v *visit) error {
	l := v.list(n.filters...)
	if _, placed := any(new(T)).(interface{ Place() *backstay.Placed }); !placed {
		l.Project = "" // they lie in none
	}
	if l.Sort == "" {
		l.Sort = n.order
	}
	sought := l.Search
	if n.narrow != nil {
		n.narrow(&l)
	}
	things, next, err := n.noun.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	page := listPage{frame: v.frame(upper(n.many)), Heading: upper(n.many), Lead: n.lead, Tabs: v.settingsTabs()}
	page.Table = table{Label: upper(n.many), Columns: n.heads(v), Next: v.nextPage(next)}
	for i := range things {
		r := n.row(v, &things[i])
		if n.hasPage() && r.Href == "" {
			r.Href = n.at(&things[i])
		}
		page.Table.Rows = append(page.Table.Rows, r)
	}
	add := act{Word: cmp.Or(n.adds, "Add a "+n.one), Icon: "plus", Href: n.path + "/new", Tone: "primary"}
	if n.fields != nil && v.somewhere(n.noun.Manage) {
		page.Acts = []act{add}
	}
	page.Table.Empty = &empty{Icon: n.icon, Title: "No " + n.many + " yet", Text: n.lead, Acts: page.Acts}
	if v.filtered(n.filters...) {
		page.Table.Empty = &empty{Title: "Nothing found", Text: "None of the " + n.many + " is so.", Acts: []act{{Word: "Show all", Href: n.path}}}
	}
	if n.first == "" {
		page.Search = &search{Label: "Search " + n.many, Value: sought}
	}
	if n.pick != nil {
		if page.Search == nil {
			page.Search = &search{}
		}
		if page.Search.Fields, err = n.pick(v); err != nil {
			return err
		}
	}
	return v.show("list", page)
}

// heads are the columns of the list.
func (n nounPages[T, P]) heads(v *visit) []column {
	all := []column{{Title: n.first}}
	if n.first == "" {
		all[0] = v.sortable("Name", "name")
	}
	for _, title := range n.columns {
		if by, ok := n.sorts[title]; ok {
			all = append(all, v.sortable(title, by))
		} else {
			all = append(all, column{Title: title})
		}
	}
	return all
}

// thingPage is a page about one thing.
type thingPage struct {
	frame
	Back    tab // to the list
	Heading string
	Lead    string
	Note    *notice
	Facts   []fact
	Acts    []act
	Tabs    []tab
	Parts   []thingPart
}

func (n nounPages[T, P]) show(v *visit) error { return n.showWith(v, http.StatusOK, nil) }

// showWith shows the page of one with what became of something that was asked for there.
func (n nounPages[T, P]) showWith(v *visit, status int, note *notice) error {
	x, err := n.noun.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	if n.page != nil {
		return n.page(v, &x)
	}
	name := n.row(v, &x).Name
	page := thingPage{frame: v.frame(name + ", " + n.many), Heading: name, Note: note, Back: tab{Href: n.path, Word: upper(n.many)}}
	if n.about != nil {
		page.Lead = n.about(v, &x)
	}
	if page.Facts, err = n.facts(v, &x); err != nil {
		return err
	}
	if n.acts != nil {
		page.Acts = n.acts(v, &x)
	}
	page.Acts = append(page.Acts, n.changing(v, &x)...)
	if n.parts != nil {
		if page.Parts, err = n.parts(v, &x); err != nil {
			return err
		}
	}
	return v.answer(status, "thing", page)
}

// changing are the acts of changing and deleting that the person may do.
func (n nounPages[T, P]) changing(v *visit, x P) (acts []act) {
	at := n.path + "/" + x.Base().ID
	if n.whole != nil && n.whole(x) {
		return nil
	}
	scope, owner := n.place(x)
	if n.fields != nil && v.may(n.noun.Manage, scope, owner) {
		acts = append(acts, act{Word: "Change", Icon: "edit", Href: at + "/edit"})
	}
	erase := n.noun.Erase
	if erase == "" {
		erase = n.noun.Manage
	}
	if n.goes != nil && v.may(erase, scope, owner) {
		acts = append(acts, act{Word: "Delete", Icon: "trash", Href: at + "/delete", Tone: "danger"})
	}
	return acts
}

// place is where a thing lies, and whose it is.
func (n nounPages[T, P]) place(x P) (backstay.Scope, string) {
	if n.lies != nil {
		return n.lies(x), ""
	}
	return placeOf(x)
}

// placeOf is where a thing lies, and whose it is.
func placeOf(x any) (backstay.Scope, string) {
	if placed, ok := x.(interface{ Place() *backstay.Placed }); ok {
		return placed.Place().Scope, placed.Place().Owner
	}
	return backstay.System, ""
}

// editPage has a form to make or change a thing.
type editPage struct {
	frame
	Heading, Lead string
	Back          tab
	Search        *search // for what can be chosen in the form
	Form          *form
}

// form is that of a thing; of a new one without an id.
func (n nounPages[T, P]) form(v *visit, x P) (*form, error) {
	groups, err := n.fields(v, x)
	f := &form{Action: n.path, Submit: "Add the " + n.one, Back: n.at(x), Groups: groups, tidy: n.tidy}
	if id := x.Base().ID; id != "" {
		f.Action, f.Submit = n.path+"/"+id+"/edit", "Save"
		f.Version = x.Base().Version
	}
	return f, err
}

func (n nounPages[T, P]) fresh(v *visit) error {
	if n.kinds != nil && v.query("kind") == "" {
		return v.kindsPage("Which kind of "+n.one+"?", n.path+"/new", n.path, n.kinds(v))
	}
	x := P(new(T))
	f, err := n.form(v, x)
	if err != nil {
		return err
	}
	return n.showForm(v, http.StatusOK, x, n.dangerous(v, f))
}

// dangerous has the form ask for a confirmation where the noun is changed only with one.
func (n nounPages[T, P]) dangerous(v *visit, f *form) *form {
	if row, ok := backstay.FindPermission(n.noun.Manage); ok && row.Dangerous() {
		return v.ask(f)
	}
	return f
}

func (n nounPages[T, P]) showForm(v *visit, status int, x P, f *form) error {
	heading := "Add a " + n.one
	if x.Base().ID != "" {
		heading = "Change " + n.row(v, x).Name
		if n.first != "" {
			heading = "Change the " + n.one
		}
	}
	return v.answer(status, "edit", editPage{frame: v.frame(heading + ", " + n.many), Heading: heading, Lead: n.lead, Back: tab{Href: n.path, Word: upper(n.many)}, Form: f})
}

func (n nounPages[T, P]) add(v *visit) error {
	x := P(new(T))
	f, err := n.form(v, x)
	if err != nil {
		return err
	}
	f.read(v.r)
	var made T
	if err = f.into(&made); err == nil {
		if n.create != nil {
			made, err = n.create(v, made)
		} else {
			made, err = n.noun.Create(v.ctx, v.who, made)
		}
	}
	if err != nil {
		return v.refused(f, err, func(status int) error { return n.showForm(v, status, x, f) })
	}
	to, done := n.at(&made), n.row(v, &made).Name+" was added."
	if n.made != nil {
		to, done = n.made(v, &made)
	}
	return v.redirect(to, done)
}

func (n nounPages[T, P]) edit(v *visit) error {
	x, err := n.noun.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	f, err := n.form(v, &x)
	if err != nil {
		return err
	}
	return n.showForm(v, http.StatusOK, &x, n.dangerous(v, f))
}

func (n nounPages[T, P]) change(v *visit) error {
	x, err := n.noun.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	f, err := n.form(v, &x)
	if err != nil {
		return err
	}
	f.read(v.r)
	patch, err := f.json()
	if err == nil {
		_, err = n.noun.Update(v.ctx, v.who, v.id(), int64(v.number("version", 0)), patch)
	}
	if err != nil {
		return v.refused(f, err, func(status int) error { return n.showForm(v, status, &x, f) })
	}
	return v.redirect(f.Back, "Saved.")
}

// deletePage asks before something is lost.
type deletePage struct {
	frame
	Heading string
	Goes    string
	Name    string
	Typed   bool
	Back    string
	Form    *form
}

func (n nounPages[T, P]) question(v *visit) error {
	x, err := n.noun.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	return n.ask(v, http.StatusOK, &x, n.deletion(v, &x))
}

// deletion is the form that deletes a thing.
func (n nounPages[T, P]) deletion(v *visit, x P) *form {
	f := newForm(n.path+"/"+x.Base().ID+"/delete", "Delete the "+n.one, n.at(x))
	f.Danger = true
	f.Version = x.Base().Version
	if n.typed {
		name := n.row(v, x).Name
		f.Groups[0].Fields = append(f.Groups[0].Fields, &field{Name: "name", Title: "Type the name " + name, Kind: textField, Auto: "off"})
	}
	erase := n.noun.Erase
	if erase == "" {
		erase = n.noun.Manage
	}
	if row, ok := backstay.FindPermission(erase); ok && row.Dangerous() {
		return v.ask(f)
	}
	return f
}

func (n nounPages[T, P]) ask(v *visit, status int, x P, f *form) error {
	name := n.row(v, x).Name
	page := deletePage{frame: v.frame("Delete " + name + ", " + n.many), Heading: "Delete the " + n.one + " " + name + "?", Goes: n.goes(v, x), Name: name, Typed: n.typed, Back: f.Back, Form: f}
	return v.answer(status, "delete", page)
}

func (n nounPages[T, P]) remove(v *visit) error {
	x, err := n.noun.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	name := n.row(v, &x).Name
	f := n.deletion(v, &x)
	f.read(v.r)
	if n.typed && f.value("name") != name {
		f.find("name").Error = "This is not the name. Nothing was deleted."
		return n.ask(v, http.StatusUnprocessableEntity, &x, f)
	}
	if err := n.noun.Delete(v.ctx, v.who, v.id(), int64(v.number("version", 0))); err != nil {
		return v.refused(f, err, func(status int) error { return n.ask(v, status, &x, f) })
	}
	return v.redirect(n.path, name+" was deleted.")
}

// projectField asks in which project a new thing is to be: nothing where there is but one. The value is the one that is looked at.
func (v *visit) projectField(p backstay.Permission) *field {
	f := &field{Name: "project", Title: "Project", Kind: selectField, Value: v.project()}
	for _, project := range v.desk.Projects {
		if v.may(p, project.Scope, "") {
			f.Choices = append(f.Choices, choice{Value: project.ID, Title: project.Name})
		}
	}
	if len(f.Choices) == 1 {
		f.Kind, f.Value = hiddenField, f.Choices[0].Value
	}
	return f
}
