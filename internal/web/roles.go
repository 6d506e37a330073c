package web

import (
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

const rolesPath = "/settings/roles"

// families are the permissions as people look for them: what one sees, what one does, what one changes.
var families = []struct {
	title string
	of    []backstay.Permission
}{
	{"See", []backstay.Permission{backstay.ReadSources, backstay.ListSnapshots, backstay.BrowseSnapshots, backstay.ReadSnapshots, backstay.ReadReports, backstay.ExportReports}},
	{"Back up and check", []backstay.Permission{backstay.StartRuns, backstay.StartVerification, backstay.ProtectSnapshots}},
	{"Restore", []backstay.Permission{backstay.PlanRestores, backstay.RestoreElsewhere, backstay.RestoreInPlace}},
	{"Change and delete", []backstay.Permission{backstay.ManageSources, backstay.ManageModules, backstay.ManagePlans, backstay.ShortenRetention, backstay.ManageStorages, backstay.ManageRepository,
		backstay.DeleteSnapshots, backstay.DeleteRepository, backstay.UnlockRepository, backstay.ManageChannels}},
	{"Secrets", []backstay.Permission{backstay.UseVault, backstay.RevealSecrets, backstay.ExportRecoveryKit, backstay.CreateTokens}},
	{"People and the server", []backstay.Permission{backstay.ReadUsers, backstay.ManageUsers, backstay.ManageRoles, backstay.ManageGrants, backstay.ManageProjects, backstay.ManageSignIn, backstay.ManageSystem,
		backstay.ReadAudit, backstay.ExportAudit}},
}

// registerRoles registers the pages of roles.
func (s *Site) registerRoles() {
	registerNoun(s, nounPages[backstay.Role, *backstay.Role]{
		noun: s.App.Roles, path: rolesPath, icon: "shield", one: "role", many: "roles", order: "name",
		lead:    "What may be done, given as one. Ten are built in; make one of your own where none of them fits.",
		columns: []string{"Allows", "Kind"},
		row: func(_ *visit, r *backstay.Role) row {
			kind := pill{"lock", "lock", "Built in", true}
			if !r.BuiltIn {
				kind = pill{"idle", "edit", "Your own", true}
			}
			return row{Name: r.Name, Sub: r.Help, Cells: []cell{{Text: counted(len(r.Permissions), "permission", "permissions")}, {Pill: &kind}}}
		},
		fields: roleFields,
		facts: func(v *visit, r *backstay.Role) ([]fact, error) {
			if r.BuiltIn {
				return nil, nil
			}
			return []fact{{Name: "Changed", Text: v.ago(r.UpdatedAt)}}, nil
		},
		about: func(_ *visit, r *backstay.Role) string { return r.Help },
		parts: roleParts,
		whole: func(r *backstay.Role) bool { return r.BuiltIn },
		goes: func(*visit, *backstay.Role) string {
			return "It can be deleted once no grant gives it any more."
		},
	})
}

func roleFields(_ *visit, r *backstay.Role) ([]group, error) {
	permissions := &field{Name: "permissions", Title: "What it allows", Kind: checksField, Help: "Nobody can give a permission that they don't have everywhere themselves."}
	for _, p := range r.Permissions {
		permissions.Values = append(permissions.Values, string(p))
	}
	for _, family := range families {
		for i, p := range family.of {
			info, _ := backstay.FindPermission(p)
			c := choice{Value: string(p), Title: upper(info.Title)}
			if info.Dangerous() {
				c.Help = "After a fresh confirmation, and never by a token"
			}
			if i == 0 {
				c.Heading = family.title
			}
			permissions.Choices = append(permissions.Choices, c)
		}
	}
	return []group{{Fields: []*field{
		{Name: "name", Title: "Name", Kind: textField, Value: r.Name},
		{Name: "help", Title: "Who it is for", Kind: textField, Value: r.Help, Optional: true},
		permissions,
	}}}, nil
}

// allowances are how a role has a permission, in words.
var allowances = map[backstay.Allowance]pill{
	backstay.Always: {"ok", "ok", "Yes", true}, backstay.Fresh: {"warn", "key", "After a fresh code", true}, backstay.Own: {"ok", "people", "Of what is theirs", true},
	backstay.OwnFresh: {"warn", "key", "Of what is theirs, after a fresh code", true}, backstay.Never: {"idle", "cancel", "No", true},
}

// roleParts are the table of what a role allows, and who has it.
func roleParts(v *visit, r *backstay.Role) (parts []thingPart, err error) {
	for _, family := range families {
		t := table{Label: family.title, Columns: []column{{Title: "May they"}, {Title: "Answer"}}}
		for _, p := range family.of {
			info, _ := backstay.FindPermission(p)
			answer := allowances[r.Allowance(p)]
			t.Rows = append(t.Rows, row{Name: upper(info.Title), Cells: []cell{{Pill: &answer}}})
		}
		parts = append(parts, thingPart{Title: family.title, Table: &t})
	}
	if !v.somewhere(backstay.ReadUsers) {
		return parts, nil
	}
	grants, _, err := v.App.Grants.List(v.ctx, v.who, app.List{Limit: pageSize, Filters: map[string]string{"role": r.ID}})
	if err != nil {
		return nil, err
	}
	has := thingPart{Title: "Who has it", Table: v.grantsTable(grants)}
	has.Table.Empty = &empty{Title: "Nobody has it", Text: "Give it to a person or a group as a grant."}
	return slices.Insert(parts, 0, has), nil
}

// roleChoices are all roles, to choose from.
func (v *visit) roleChoices(before ...choice) ([]choice, error) {
	roles, _, err := v.App.Roles.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name"})
	for _, r := range roles {
		before = append(before, choice{Value: r.ID, Title: r.Name})
	}
	return before, err
}
