package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// registerTokens registers the pages of somebody's own API tokens.
func (s *Site) registerTokens() {
	s.get(tokensPath, (*visit).tokens)
	s.get(tokensPath+"/new", func(v *visit) error { return v.showTokenForm(http.StatusOK, v.tokenForm()) })
	s.post(tokensPath, (*visit).createToken)
	s.get(tokensPath+"/{id}/delete", (*visit).tokenQuestion)
	s.post(tokensPath+"/{id}/delete", (*visit).deleteToken)
}

const tokensPath = "/settings/tokens"

func (v *visit) tokens() error {
	all, err := v.App.Tokens(v.ctx, v.who, v.who.User)
	if err != nil {
		return err
	}
	const lead = "A program shows a token instead of signing in. It never may more than you, and nothing that asks for a confirmation."
	page := listPage{frame: v.frame("API tokens"), Heading: "API tokens", Lead: lead, Tabs: v.settingsTabs()}
	page.Table = table{Label: "API tokens", Columns: []column{{Title: "Name"}, {Title: "State"}, {Title: "May do"}, {Title: "Where"}, {Title: "Last used"}, {Title: "Expires"}}}
	for _, t := range all {
		page.Table.Rows = append(page.Table.Rows, v.tokenRow(t))
	}
	if v.somewhere(backstay.CreateTokens) {
		page.Acts = []act{{Word: "Create a token", Icon: "plus", Href: tokensPath + "/new", Tone: "primary"}}
	}
	page.Table.Empty = &empty{Icon: "key", Title: "No tokens yet", Text: "Create one for each program, with no more rights than it needs.", Acts: page.Acts}
	return v.show("list", page)
}

func (v *visit) tokenRow(t backstay.Token) row {
	var may []string
	for _, p := range t.Permissions {
		may = append(may, permissionTitle(p))
	}
	state := &pill{"ok", "ok", "Good", true}
	if !v.App.Clock.Now().Before(t.ExpiresAt) {
		state = &pill{"idle", "missed", "Expired", true}
	}
	used := cell{Text: "never"}
	if t.LastUsedAt != nil {
		used = cell{Text: v.ago(*t.LastUsedAt), Sub: "from " + t.LastUsedIP}
	}
	return row{Name: t.Name, Cells: []cell{{Pill: state}, {Text: counted(len(may), "thing", "things"), Sub: strings.Join(may, "; ")}, {Text: v.scopeText(t.Within)}, used, {Text: v.when(t.ExpiresAt)}},
		Acts: []act{{Word: "Delete", Of: t.Name, Icon: "trash", Href: tokensPath + "/" + t.ID + "/delete", Tone: "quiet"}}}
}

func permissionTitle(p backstay.Permission) string {
	row, _ := backstay.FindPermission(p)
	return cmp.Or(row.Title, string(p))
}

// scopeText is where a token holds.
func (v *visit) scopeText(s backstay.Scope) string {
	for _, p := range v.desk.Projects {
		if s == p.Scope {
			return "The project " + p.Name
		}
	}
	if s == "" || s == backstay.Everywhere {
		return "Wherever you may"
	}
	return string(s)
}

// tokenForm asks what a new token is for. It offers what the person may, but for what no token has.
func (v *visit) tokenForm() *form {
	may := &field{Name: "permissions", Title: "What it may do", Kind: checksField, Help: "No more than the program needs."}
	for _, row := range backstay.Permissions() {
		if !row.Dangerous() && v.somewhere(row.Permission) {
			may.Choices = append(may.Choices, choice{Value: string(row.Permission), Title: upper(row.Title)})
		}
	}
	within := &field{Name: "within", Title: "Where", Kind: selectField, Choices: []choice{{Value: "", Title: "Wherever you may"}}}
	for _, p := range v.desk.Projects {
		within.Choices = append(within.Choices, choice{Value: string(p.Scope), Title: "The project " + p.Name})
	}
	ends := &field{Name: "expires_at", Title: "Expires", Kind: selectField, Value: "90", Choices: []choice{{Value: "7", Title: "In a week"}, {Value: "30", Title: "In 30 days"}, {Value: "90", Title: "In 90 days"}, {Value: "365", Title: "In a year"}}}
	return newForm(tokensPath, "Create the token", tokensPath, &field{Name: "name", Title: "Name", Kind: textField, Auto: "off", Help: "What it is for, such as the program and its machine."}, within, ends, may)
}

func (v *visit) showTokenForm(status int, f *form) error {
	const heading = "Create an API token"
	return v.answer(status, "edit", editPage{frame: v.frame(heading), Heading: heading, Lead: "Whoever has it may do what you allow it here, in your name.", Back: tab{Href: tokensPath, Word: "API tokens"}, Form: f})
}

// tokenPage shows a new token, this once.
type tokenPage struct {
	frame
	Name, Secret string
	Expires      html
}

func (v *visit) createToken() error {
	f := v.tokenForm()
	f.read(v.r)
	wanted := backstay.Token{Name: f.value("name"), Within: backstay.Scope(f.value("within"))}
	for _, p := range f.find("permissions").Values {
		wanted.Permissions = append(wanted.Permissions, backstay.Permission(p))
	}
	if days, err := strconv.Atoi(f.value("expires_at")); err == nil {
		wanted.ExpiresAt = v.App.Clock.Now().Add(time.Duration(days) * 24 * time.Hour)
	}
	secret, made, err := v.App.CreateToken(v.ctx, v.who, wanted)
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showTokenForm(status, f)
	}
	return v.show("token", tokenPage{v.frame("Your new token"), made.Name, string(secret), v.when(made.ExpiresAt)})
}

// token is one of the person's own.
func (v *visit) token() (backstay.Token, error) {
	all, err := v.App.Tokens(v.ctx, v.who, v.who.User)
	if err != nil {
		return backstay.Token{}, err
	}
	i := slices.IndexFunc(all, func(t backstay.Token) bool { return t.ID == v.id() })
	if i < 0 {
		return backstay.Token{}, errNoPage
	}
	return all[i], nil
}

func (v *visit) tokenQuestion() error {
	t, err := v.token()
	if err != nil {
		return err
	}
	ask := newForm(tokensPath+"/"+t.ID+"/delete", "Delete the token", tokensPath)
	ask.Danger = true
	heading := "Delete the token " + t.Name + "?"
	return v.show("delete", deletePage{frame: v.frame(heading), Heading: heading, Goes: "Programs that show it are refused at once.", Name: t.Name, Back: tokensPath, Form: ask})
}

func (v *visit) deleteToken() error {
	t, err := v.token()
	if err != nil {
		return err
	}
	if err := v.App.DeleteToken(v.ctx, v.who, t.ID); err != nil {
		return err
	}
	return v.redirect(tokensPath, t.Name+" was deleted.")
}
