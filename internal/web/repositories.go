package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/backstay/backstay"
)

// registerRepositories registers the pages of repositories.
func (s *Site) registerRepositories() {
	pages := nounPages[backstay.Repository, *backstay.Repository]{
		noun: s.App.Repositories, path: "/repositories", icon: "storage", one: "repository", many: "repositories",
		lead: "An encrypted store of snapshots in the format of restic. Whoever has its password and its files can restore without Backstay.",
		row:  func(_ *visit, r *backstay.Repository) row { return row{Name: r.Name} },
		fields: func(v *visit, r *backstay.Repository) ([]group, error) {
			return v.repositoryFields(r)
		},
		goes: func(*visit, *backstay.Repository) string {
			return "Backstay forgets the repository and its password: no plan can use it, and its snapshots can't be restored from here any more. Its files stay in the storage, and open with a password of the recovery kit."
		},
		typed:  true,
		create: func(v *visit, r backstay.Repository) (backstay.Repository, error) { return v.createRepository(r) },
	}
	pages.page = func(v *visit, r *backstay.Repository) error { return v.repositoryPage(pages, *r, "") }
	pages.list = func(v *visit) error { return v.redirect("/storage", "") }
	registerNoun(s, pages)
	s.post("/repositories/{id}/verify", func(v *visit) error {
		return v.started(v.App.StartVerification(v.ctx, v.who, v.id(), v.r.PostForm.Get("level")))
	})
	s.post("/repositories/{id}/prune", func(v *visit) error { return v.started(v.App.StartPrune(v.ctx, v.who, v.id())) })
	s.post("/repositories/{id}/catalogue", func(v *visit) error { return v.started(v.App.StartCatalogue(v.ctx, v.who, v.id())) })
	s.get("/repositories/{id}/keys", func(v *visit) error { return v.keysPage(http.StatusOK, v.ask(keyForm(v.id()))) })
	s.post("/repositories/{id}/keys", (*visit).addKey)
	s.post("/repositories/{id}/keys/{key}/remove", func(v *visit) error {
		if err := v.App.RemoveRepositoryKey(v.ctx, v.who, v.id(), v.r.PathValue("key")); err != nil {
			return err
		}
		return v.redirect("/repositories/"+v.id()+"/keys", "The password opens the repository no more.")
	})
	s.post("/repositories/{id}/password", func(v *visit) error {
		password, err := v.App.RevealPassword(v.ctx, v.who, v.id())
		if err != nil {
			return err
		}
		r, err := s.App.Repositories.Find(v.ctx, v.who, v.id())
		if err != nil {
			return err
		}
		return v.repositoryPage(pages, r, password)
	})
}

// started goes to the page of a run that was started just now.
func (v *visit) started(run backstay.Run, err error) error {
	if err != nil {
		return err
	}
	return v.redirect("/activity/"+run.ID, "")
}

// repositoryFields are the fields of a repository. Where it is can't be changed later.
func (v *visit) repositoryFields(r *backstay.Repository) ([]group, error) {
	name := &field{Name: "name", Title: "Name", Kind: textField, Value: r.Name, Auto: "off"}
	verify := &field{Name: "verify_days", Title: "Read and check every stored byte within", Unit: "days", Kind: numberField, Value: numberValue(int64(r.VerifyDays)), Optional: true,
		Help: "A part of it each day, so that damage is found while there are other copies. Empty: never."}
	if r.ID != "" {
		return []group{{Fields: []*field{name, verify}}}, nil
	}
	verify.Value = "90"
	storages, err := v.storageChoices()
	where := &field{Name: "storage", Title: "Storage", Kind: selectField, Choices: storages, Value: v.query("storage")}
	return []group{
		{Title: "Where", Fields: []*field{name, where, {Name: "path", Title: "Folder in the storage", Kind: textField, Optional: true, Help: "Empty: the storage's own location."}, verify}},
		{Title: "Encryption", Help: "All that leaves this machine is encrypted with the password of the repository. Backstay makes one that nobody guesses, and keeps it sealed; the recovery kit has it on paper.", Fields: []*field{
			{Name: "adopt", Title: "There is a repository already, such as one that restic made", Kind: switchField},
			{Name: "password", Title: "Its password", Kind: secretField, Auto: "off", Optional: true, Help: "Needed for a repository that is there. For a new one, empty: Backstay makes one."}}},
	}, err
}

// createRepository makes a repository in the project of its storage.
func (v *visit) createRepository(r backstay.Repository) (backstay.Repository, error) {
	s, err := v.App.Storages.Find(v.ctx, v.who, r.Storage)
	if err != nil {
		return r, backstay.Errorf(backstay.Invalid, "choose a storage").OnField("storage")
	}
	r.Project = s.Project
	return v.App.CreateRepository(v.ctx, v.who, r)
}

// repositoryTable lists repositories.
func (v *visit) repositoryTable(all []backstay.Repository) table {
	t := table{Label: "Repositories", Columns: []column{{Title: "Name"}, {Title: "Snapshots"}, {Title: "Size"}, {Title: "Verified"}},
		Empty: &empty{Icon: "lock", Title: "No repository yet", Text: "A repository is the encrypted store of snapshots within a storage. Open a storage to add one."}}
	for _, r := range all {
		t.Rows = append(t.Rows, row{Name: r.Name, Sub: r.Path, Href: "/repositories/" + r.ID, Cells: []cell{{Text: countText(r.Snapshots)}, {Text: bytesText(r.Bytes)}, v.verifiedCell(r)}})
	}
	return t
}

// verifiedCell says when all that a repository holds was last read, and whether that is long ago.
func (v *visit) verifiedCell(r backstay.Repository) cell {
	if r.VerifiedAt == nil {
		return cell{Pill: &pill{"idle", "pending", "Not yet", true}}
	}
	age := v.App.Clock.Now().Sub(*r.VerifiedAt)
	if r.VerifyDays > 0 && age > time.Duration(r.VerifyDays)*24*time.Hour {
		return cell{Pill: &pill{"warn", "warn", "Long ago", true}, Sub: v.ago(*r.VerifiedAt)}
	}
	return cell{Pill: &pill{"ok", "ok", "Verified", true}, Sub: v.ago(*r.VerifiedAt)}
}

// repositoryPage is a page about one repository.
type repositoryPage struct {
	thingPage
	Lead      string
	Password  string // revealed, on this page alone
	Verify    *form
	Runs      table
	Snapshots string // the address of its snapshots
}

func (v *visit) repositoryPage(n nounPages[backstay.Repository, *backstay.Repository], r backstay.Repository, password string) error {
	s, err := v.App.Storages.Find(v.ctx, v.who, r.Storage)
	if err != nil {
		return err
	}
	page := repositoryPage{thingPage: thingPage{frame: v.frame(r.Name), Heading: r.Name, Back: tab{Href: "/storage/" + s.ID, Word: s.Name}}, Password: password}
	page.Lead = counted(r.Snapshots, "snapshot", "snapshots") + " in " + bytesText(r.Bytes) + ", encrypted, in " + s.Name + "."
	verified := v.verifiedCell(r)
	page.Facts = []fact{{Name: "Verified", Pill: verified.Pill, Text: verified.Sub}, {Name: "Location", Text: location(s, r)}, {Name: "Format", Text: "restic, repository " + r.Format}, {Name: "Added", Text: v.when(r.CreatedAt)}}
	if r.VerifyDays > 0 {
		page.Facts = append(page.Facts, fact{Name: "Every byte is read", Text: "within " + counted(r.VerifyDays, "day", "days")})
	}
	page.Snapshots = "/snapshots?repository=" + url.QueryEscape(r.ID)
	at := "/repositories/" + r.ID
	if v.may(backstay.StartVerification, r.Scope, r.Owner) {
		page.Verify = newForm(at+"/verify", "Verify now", "", &field{Name: "level", Title: "How much is read", Kind: radioField, Value: "sample", Choices: levels})
	}
	page.Acts = v.repositoryActs(at, r)
	page.Acts = append(page.Acts, n.changing(v, &r)...)
	return v.show("repository", page)
}

func (v *visit) repositoryActs(at string, r backstay.Repository) (acts []act) {
	if v.may(backstay.ManageRepository, r.Scope, r.Owner) {
		acts = append(acts, act{Word: "Free space", Of: "that no snapshot needs", Icon: "trash", Href: at + "/prune", Post: true}, act{Word: "List anew", Of: "what is in it", Icon: "run", Href: at + "/catalogue", Post: true})
	}
	if v.may(backstay.ManageRepository, r.Scope, r.Owner) {
		acts = append(acts, act{Word: "Passwords", Of: "that open it", Icon: "key", Href: at + "/keys"})
	}
	if v.may(backstay.RevealSecrets, r.Scope, r.Owner) {
		acts = append(acts, act{Word: "Show the password", Icon: "key", Href: at + "/password", Post: true})
	}
	return acts
}

// location is where a repository is, as people write it.
func location(s backstay.Storage, r backstay.Repository) string {
	if r.Path == "" {
		return s.Location
	}
	return s.Location + "/" + r.Path
}
