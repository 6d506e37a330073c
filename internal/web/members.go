package web

import (
	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerMembers registers the page of who has rights in the project that is looked at.
func (s *Site) registerMembers() { s.get("/settings/members", membersPage) }

// membersPage lists the grants that hold in a project: those of wider scopes as far as the person may see them, and those of what is in it.
func membersPage(v *visit) error {
	id := v.project()
	if id == "" && len(v.desk.Projects) == 1 {
		id = v.desk.Projects[0].ID
	}
	page := listPage{frame: v.frame("Members"), Heading: "Members", Tabs: v.settingsTabs()}
	if id == "" {
		return chooseForMembers(v, page)
	}
	scope := backstay.ProjectScope(id)
	page.Heading = "Who may do something in " + v.names().project(id) + "?"
	page.Lead = "By a right in the project, in something that is in it, or everywhere."
	if v.may(backstay.ManageGrants, scope, "") {
		page.Acts = []act{{Word: "Add a member", Icon: "plus", Tone: "primary", Href: address(grantsPath+"/new", queryOf("scope", string(scope)))}}
	}
	here, err := v.grantsIn(scope)
	if err != nil {
		return err
	}
	first, last, next := v.pageOf(len(here))
	page.Table = *v.grantsTable(here[first:last])
	page.Table.Next = next
	page.Table.Empty = &empty{Icon: "people", Title: "Nobody yet", Text: "No right that you may see holds in this project.", Acts: page.Acts}
	return v.show("list", page)
}

// grantsIn are the grants that bear upon a scope or upon what is in it.
func (v *visit) grantsIn(scope backstay.Scope) (here []backstay.Grant, err error) {
	for l := (app.List{Limit: 1000}); ; {
		grants, next, err := v.App.Grants.List(v.ctx, v.who, l)
		if err != nil {
			return nil, err
		}
		for _, g := range grants {
			if g.Scope.Covers(scope) || scope.Covers(g.Scope) {
				here = append(here, g)
			}
		}
		if l.Cursor = next; next == "" {
			return here, nil
		}
	}
}

// chooseForMembers asks whose members are wanted where all projects are looked at.
func chooseForMembers(v *visit, page listPage) error {
	page.Heading, page.Lead = "Members of which project?", "You look at all projects now."
	page.Table = table{Label: "Projects", Columns: []column{{Title: "Name"}}, Empty: &empty{Icon: "folder", Title: "No projects", Text: "There is none that you may see."}}
	for _, p := range v.desk.Projects {
		page.Table.Rows = append(page.Table.Rows, row{Name: p.Name, Sub: p.Help, Acts: []act{{Word: "Look at it", Of: p.Name, Icon: "right", Href: "/project", Post: true,
			Hidden: []sent{{"project", p.ID}, {"next", "/settings/members"}}}}})
	}
	return v.show("list", page)
}
