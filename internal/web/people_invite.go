package web

import (
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
)

// invitation is the form by which somebody gets an account, a right and a link at once.
func (v *visit) invitation() (*form, *places, error) {
	p, err := v.placesFor(backstay.ManageGrants, v.query("search"), backstay.Scope(v.r.FormValue("scope")))
	if err != nil {
		return nil, nil, err
	}
	roles, err := v.roleChoices(choice{Title: "None for now"})
	if err != nil {
		return nil, nil, err
	}
	f := &form{Action: peoplePath, Submit: "Invite", Back: peoplePath, Groups: []group{
		{Title: "Who", Fields: []*field{
			{Name: "name", Title: "Name", Kind: textField, Auto: "off"},
			{Name: "email", Title: "E-mail", Kind: emailField, Auto: "off", Help: "They sign in with it."},
		}},
		{Title: "What they may do", Fields: []*field{
			{Name: "role", Title: "Role", Kind: selectField, Choices: roles, Value: v.query("role"), Wide: true, Help: "More can be given later."},
			p.field("Where", "All of it, one project, one source, or one module.", backstay.Scope(v.query("scope"))),
		}},
		{Title: "How they get in", Fields: []*field{
			{Name: "show", Title: "Show me the link, even if it can be mailed", Kind: switchField, Help: "By the link they choose a password: once, within seven days."},
		}},
	}}
	return v.ask(f), p, nil
}

func (v *visit) showInvitation(status int, f *form, p *places) error {
	return v.answer(status, "edit", editPage{frame: v.frame("Invite a person"), Heading: "Invite a person", Back: tab{Href: peoplePath, Word: "People"}, Search: p.search(v), Form: f})
}

// invited is what became of an invitation: what was made, and what was not.
type invited struct {
	frame
	User backstay.User
	linkShown
	Role, Place string   // what was given; "" for nothing
	Refused     *refusal // why what was to follow was not done
	Acts        []act
}

// linkShown is a link that was made.
type linkShown struct {
	Link   string // shown once; "" where there is none, or it was mailed
	Mailed bool
	Until  html
}

// invitePerson makes the account, gives the right and makes the link. Where the second or third is refused, it says what was done.
func invitePerson(v *visit) error {
	f, p, err := v.invitation()
	if err != nil {
		return err
	}
	f.read(v.r)
	u, err := v.App.Users.Create(v.ctx, v.who, backstay.User{Name: f.value("name"), Email: f.value("email")})
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showInvitation(status, f, p)
	}
	page := invited{User: u}
	err = v.welcome(&page, f)
	page.frame = v.frame(u.Name + " was invited")
	at := peoplePath + "/" + u.ID
	page.Acts = []act{{Word: "Look at " + u.Name, Href: at, Tone: "primary"}, {Word: "Invite somebody else", Href: peoplePath + "/new", Icon: "plus"}}
	if err != nil {
		e, status := door.Failure(err)
		page.Refused = &refusal{sentence(e.Msg), e.Hint}
		page.Title = "Something is missing"
		page.Acts[1] = act{Word: "Make a link", Href: at + "/link", Post: true, Icon: "key"}
		if page.Role == "" {
			page.Acts[1] = act{Word: "Give another right", Href: grantsPath + "/new?subject_kind=user&subject=" + u.ID, Icon: "plus"}
		}
		return v.answer(status, "invited", page)
	}
	return v.show("invited", page)
}

// welcome gives a new person the right that the form says, and makes their link.
func (v *visit) welcome(page *invited, f *form) error {
	if role := backstay.RoleName(f.value("role")); role != "" {
		g := backstay.Grant{SubjectKind: backstay.SubjectUser, Subject: page.User.ID, Role: role, Scope: backstay.Scope(f.value("scope"))}
		g, err := v.App.Grants.Create(v.ctx, v.who, g)
		if err != nil {
			return err
		}
		names := v.names()
		page.Role, page.Place = names.role(g.Role), names.place(g.Scope)
	}
	n, err := v.App.NewLink(v.ctx, v.who, page.User.ID, f.find("show").On())
	if err != nil {
		return err
	}
	page.linkShown, err = v.linkMade(n)
	return err
}

// linkMade is what a page says of a new link. Its secret part is behind the #, which browsers send to nobody.
func (v *visit) linkMade(n app.NewLink) (m linkShown, err error) {
	m = linkShown{Mailed: n.Mailed, Until: v.when(n.Link.ExpiresAt)}
	if n.Mailed {
		return m, nil
	}
	set, err := v.App.Settings(v.ctx, v.who)
	m.Link = v.addressOf(set) + "/link#" + string(n.Ticket)
	return m, err
}

// newPersonLink makes a link for somebody who has lost or not yet chosen a password.
func newPersonLink(v *visit) error {
	u, err := v.App.Users.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	n, err := v.App.NewLink(v.ctx, v.who, u.ID, v.r.PostForm.Get("show") != "")
	if err != nil {
		return v.refusedOn(v.peoplePages().showWith, err)
	}
	page := invited{frame: v.frame("A link for " + u.Name), User: u, Acts: []act{{Word: "Look at " + u.Name, Href: peoplePath + "/" + u.ID, Tone: "primary"}}}
	if page.linkShown, err = v.linkMade(n); err != nil {
		return err
	}
	if n.Mailed {
		page.Acts = append(page.Acts, act{Word: "Make one that I see", Href: peoplePath + "/" + u.ID + "/link", Post: true, Hidden: []sent{{"show", "1"}}, Icon: "key"})
	}
	return v.answer(http.StatusOK, "invited", page)
}
