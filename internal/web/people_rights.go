package web

import (
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// rightsPage answers what somebody can do at a place.
type rightsPage struct {
	frame
	Person   backstay.User
	Place    string
	Lead     string
	Acts     []act
	Search   *search
	Question []*field
	Warning  *notice
	Families []rightsFamily
	Path     []rightsStep
	About    []fact
	Nothing  string // what stands there where no answer is as was asked for
}

// rightsFamily are the answers about permissions of one kind.
type rightsFamily struct {
	ID, Title string
	Answers   []rightsAnswer
}

// rightsAnswer is the answer about one permission.
type rightsAnswer struct {
	Title   string
	Answer  pill
	Because []because
	Else    string // why there is no reason to name
}

// because is one grant that gives or takes a right.
type because struct{ Role, Href, Text string }

// rightsStep is a place on the way down, and what its grants change.
type rightsStep struct {
	Name, Text, Tone string
	Pill             *pill
}

// answers are how an answer looks.
var answers = map[app.Answer]pill{
	app.AnswerYes: {"ok", "ok", "Yes", true}, app.AnswerFresh: {"warn", "key", "After a fresh code", true},
	app.AnswerNo: {"idle", "cancel", "No", true}, app.AnswerDenied: {"fail", "fail", "Denied", true},
}

// explainPage is the page "What can NAME do here?".
func explainPage(v *visit) error {
	u, err := v.App.Users.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	p, err := v.placesFor(backstay.ReadUsers, v.query("search"), backstay.Scope(v.query("scope")))
	if err != nil {
		return err
	}
	scope := v.placeAsked(p)
	e, err := v.App.ExplainRights(v.ctx, v.who, u.ID, scope)
	if err != nil {
		return err
	}
	n := p.names
	page := rightsPage{frame: v.frame("What can " + u.Name + " do here?"), Person: u, Place: n.place(scope), Search: p.search(v), Warning: rightsWarning(e)}
	page.Lead = rightsLead(page.Place, u.Name, e)
	page.Question = []*field{p.field("Place", "", scope),
		{Name: "show", Title: "Show", Kind: selectField, Value: v.query("show"), Choices: []choice{{Title: "Everything"}, {Value: "yes", Title: "Only what is allowed"}, {Value: "no", Title: "Only what is not allowed"}}}}
	page.Question[0].Wide = false
	page.Families = n.families(e, v.query("show"))
	if len(page.Families) == 0 {
		page.Nothing = "No answer is so."
	}
	for _, step := range e.Path {
		page.Path = append(page.Path, n.step(step))
	}
	if page.About, err = personFacts(v, &u); err != nil {
		return err
	}
	page.Acts = v.rightsActs(u, scope)
	return v.show("rights", page)
}

// placeAsked is the place that the address asks about; without one the project that is looked at, or the widest there is.
func (v *visit) placeAsked(p *places) backstay.Scope {
	if scope := v.query("scope"); scope != "" {
		return backstay.Scope(scope)
	}
	if id := v.project(); id != "" {
		return backstay.ProjectScope(id)
	}
	if len(p.choices) > 0 {
		return backstay.Scope(p.choices[0].Value)
	}
	return backstay.Everywhere
}

func (v *visit) rightsActs(u backstay.User, scope backstay.Scope) (acts []act) {
	if v.may(backstay.ReadAudit, backstay.System, "") {
		acts = append(acts, act{Word: "See what they did", Icon: "report", Href: "/settings/audit?actor=" + u.ID})
	}
	if v.may(backstay.ManageGrants, scope, "") {
		to := address(grantsPath+"/new", queryOf("subject_kind", "user", "subject", u.ID, "scope", string(scope)))
		acts = append(acts, act{Word: "Give or take a right", Icon: "plus", Href: to, Tone: "primary"})
	}
	return acts
}

// rightsWarning says why nothing of it holds for now.
func rightsWarning(e app.Explained) *notice {
	switch {
	case e.Disabled:
		return &notice{Tone: "warn", Icon: "warn", Fact: "The account is disabled.", Text: "Until it is enabled they can do nothing, whatever is granted to them."}
	case e.NeedsFactor:
		return &notice{Tone: "warn", Icon: "warn", Fact: "A second factor is demanded, and they have none.", Text: "Until they set one up they can do nothing of this."}
	}
	return nil
}

// rightsLead says the most important answers in a sentence or two.
func rightsLead(place, name string, e app.Explained) string {
	tell := []struct {
		p    backstay.Permission
		word string
	}{{backstay.ReadSources, "see what is backed up"}, {backstay.StartRuns, "start backups"}, {backstay.ReadSnapshots, "read and download files"}, {backstay.RestoreElsewhere, "restore to another place"},
		{backstay.RestoreInPlace, "restore over the original"}, {backstay.DeleteSnapshots, "delete snapshots"}, {backstay.ManageGrants, "give rights"}}
	by := map[app.Answer][]string{}
	for _, t := range tell {
		i := slices.IndexFunc(e.Permissions, func(p app.ExplainedPermission) bool { return p.Permission == t.p })
		if i >= 0 {
			by[e.Permissions[i].Answer] = append(by[e.Permissions[i].Answer], t.word)
		}
	}
	no := append(by[app.AnswerNo], by[app.AnswerDenied]...)
	text := place + ": " + name + " can see, restore and change nothing of what is backed up here."
	if yes := by[app.AnswerYes]; len(yes) > 0 {
		text = place + ": " + name + " can " + wordList(yes, "and") + "."
	}
	if fresh := by[app.AnswerFresh]; len(fresh) > 0 {
		text += " After a fresh code: " + wordList(fresh, "and") + "."
	}
	if len(no) > 0 && len(no) < len(tell) {
		text += " Not: " + wordList(no, "or") + "."
	}
	return text
}

// wordList joins words as a sentence has them.
func wordList(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// families are the answers by their kind, of which only those that are wanted.
func (n *names) families(e app.Explained, show string) (all []rightsFamily) {
	for _, f := range families {
		family := rightsFamily{ID: "g-" + strings.ReplaceAll(strings.ToLower(f.title), " ", "-"), Title: f.title}
		for _, p := range f.of {
			i := slices.IndexFunc(e.Permissions, func(x app.ExplainedPermission) bool { return x.Permission == p })
			if i < 0 {
				continue
			}
			x := e.Permissions[i]
			allowed := x.Own == app.AnswerYes || x.Own == app.AnswerFresh
			if show == "yes" && !allowed || show == "no" && allowed {
				continue
			}
			family.Answers = append(family.Answers, n.answer(x))
		}
		if len(family.Answers) > 0 {
			all = append(all, family)
		}
	}
	return all
}

// answer is one answer with its reasons. Where something is denied, who gave it does not matter.
func (n *names) answer(x app.ExplainedPermission) rightsAnswer {
	a := rightsAnswer{Title: upper(x.Title), Answer: answers[x.Answer]}
	if x.Answer == app.AnswerNo && x.Own != app.AnswerNo {
		a.Answer = pill{"ok", "people", "Of what is theirs", true}
		if x.Own == app.AnswerFresh {
			a.Answer = pill{"warn", "key", "Of what is theirs, after a fresh code", true}
		}
	}
	for _, r := range x.Because {
		if x.Answer == app.AnswerDenied && r.Effect != backstay.Deny {
			continue
		}
		text := ""
		if r.Effect == backstay.Deny {
			text = ", taken away: " + n.place(r.Scope)
		}
		if r.Group != "" {
			text += ", by " + r.GroupName
		}
		a.Because = append(a.Because, because{Role: r.RoleName, Href: grantsPath + "/" + r.Grant, Text: text})
	}
	if len(a.Because) == 0 {
		a.Else = "Nobody gave this right. " + upper(narrowestRole(x.Permission)) + " has it."
	}
	return a
}

// narrowestRole is the built-in role with the fewest permissions that has one.
func narrowestRole(p backstay.Permission) string {
	best := backstay.BuiltInRoles()[0]
	for _, r := range backstay.BuiltInRoles() {
		if a := r.Allowance(p); (a == backstay.Always || a == backstay.Fresh) && len(r.Permissions) < len(best.Permissions) {
			best = r
		}
	}
	return best.Name
}

// step is one place of the way down.
func (n *names) step(at app.ExplainedPlace) rightsStep {
	s := rightsStep{Name: n.place(at.Scope), Text: "Nothing given here"}
	var words []string
	for _, g := range at.Grants {
		word := g.RoleName
		if g.Effect == backstay.Deny {
			word = "Not " + word
		}
		if g.GroupName != "" {
			word += ", by " + g.GroupName
		}
		words = append(words, word)
	}
	if len(words) > 0 {
		s.Text = strings.Join(words, "; ")
	}
	switch {
	case len(at.Takes) > 0:
		s.Tone, s.Pill = "fail", &pill{"fail", "cancel", "Takes away", true}
	case len(at.Adds) > 0:
		s.Tone, s.Pill = "ok", &pill{"ok", "plus", "Adds", true}
	}
	return s
}
