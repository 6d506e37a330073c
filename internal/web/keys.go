package web

import (
	"github.com/backstay/backstay"
)

// keysPage lists the passwords that open a repository.
type keysPage struct {
	frame
	Back    tab
	Heading string
	Table   table
	Form    *form // to add one; nil for who may not
}

// keyForm asks for a further password.
func keyForm(id string) *form {
	return newForm("/repositories/"+id+"/keys", "Add the password", "",
		&field{Name: "password", Title: "Further password", Kind: secretField, Auto: "new-password", Help: "restic and Backstay open the repository with it, too. Long and random is best."},
		&field{Name: "user", Title: "Whose it is", Kind: textField, Auto: "off", Optional: true, Help: "It stands in the list of passwords, such as ada."})
}

func (v *visit) keysPage(status int, f *form) error {
	r, err := v.App.Repositories.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	keys, err := v.App.RepositoryKeys(v.ctx, v.who, r.ID)
	if err != nil {
		return err
	}
	page := keysPage{frame: v.frame("Passwords of " + r.Name), Heading: counted(len(keys), "password opens ", "passwords open ") + r.Name, Back: tab{Href: "/repositories/" + r.ID, Word: r.Name}}
	may := v.may(backstay.RevealSecrets, r.Scope, r.Owner)
	page.Table = table{Label: "Passwords", Columns: []column{{Title: "Whose"}, {Title: "Added"}, {Title: "State"}}}
	for _, k := range keys {
		line := row{Name: k.User + " at " + k.Host, Sub: k.ID[:min(len(k.ID), 8)], Cells: []cell{{Text: v.when(k.Created)}, keyCell(k.Own, k.Damaged)}}
		if may && !k.Own {
			line.Acts = []act{{Word: "Remove", Of: "the password of " + line.Name, Icon: "trash", Href: "/repositories/" + r.ID + "/keys/" + k.ID + "/remove", Post: true, Tone: "danger"}}
		}
		page.Table.Rows = append(page.Table.Rows, line)
	}
	if may {
		page.Form = f
	}
	return v.answer(status, "keys", page)
}

func keyCell(own, damaged bool) cell {
	switch {
	case damaged:
		return cell{Pill: &pill{"fail", "fail", "Damaged", true}}
	case own:
		return cell{Pill: &pill{"ok", "lock", "The server's own", true}}
	}
	return cell{Pill: &pill{"ok", "ok", "Good", true}}
}

func (v *visit) addKey() error {
	f := keyForm(v.id())
	f.read(v.r)
	if _, err := v.App.AddRepositoryKey(v.ctx, v.who, v.id(), f.value("password"), f.value("user")); err != nil {
		return v.refused(f, err, func(status int) error { return v.keysPage(status, f) })
	}
	return v.redirect("/repositories/"+v.id()+"/keys", "The password opens the repository now.")
}
