package web

import (
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerStorage registers the pages of storages and of the repositories within them.
func (s *Site) registerStorage() {
	pages := nounPages[backstay.Storage, *backstay.Storage]{
		noun: s.App.Storages, path: "/storage", icon: "storage", one: "storage", many: "storages",
		lead: "A place that holds repositories: a folder, a server, a cloud.",
		row:  func(_ *visit, x *backstay.Storage) row { return row{Name: x.Name} },
		fields: func(v *visit, x *backstay.Storage) ([]group, error) {
			return v.storageFields(x), nil
		},
		goes: func(*visit, *backstay.Storage) string {
			return "Backstay forgets where it is and how to sign in there. The files in it stay as they are."
		},
		typed: true,
		list:  (*visit).storagesPage,
		kinds: func(v *visit) []app.Kind { return v.App.Places.StorageKinds() },
		made: func(_ *visit, x *backstay.Storage) (string, string) {
			return "/storage/" + x.ID + "?try=1", x.Name + " was added."
		},
	}
	pages.page = func(v *visit, x *backstay.Storage) error { return v.storagePage(pages, *x) }
	registerNoun(s, pages)
	s.registerRepositories()
	s.registerRecoveryKit()
}

// kindsPage asks which kind of thing it is to be.
type kindsPage struct {
	frame
	Heading string
	Back    tab
	Kinds   []kindChoice
}

type kindChoice struct{ Href, Title, Help string }

func (v *visit) kindsPage(heading, to, back string, all []app.Kind) error {
	page := kindsPage{frame: v.frame(heading), Heading: heading, Back: tab{Href: back, Word: "Back"}}
	local := v.may(backstay.ManageStorages, backstay.Everywhere, "")
	for _, k := range all {
		if !local && (k.Local || k.Kind == "local") {
			continue
		}
		q := v.r.URL.Query()
		q.Set("kind", k.Kind)
		help := k.Help
		if help == "" && k.Form != "" {
			help = shownForm(k.Form)
		}
		page.Kinds = append(page.Kinds, kindChoice{address(to, q), k.Title, help})
	}
	return v.show("kinds", page)
}

// shownForm is how a location is written, without the password that some can hold: here it has a field of its own.
func shownForm(form string) string { return strings.Replace(form, ":PASSWORD", "", 1) }

// kindOfStorage is the kind that a location is of, or that the address or the form names.
func (v *visit) kindOfStorage(location string) app.Kind {
	name := v.r.FormValue("kind")
	if location != "" {
		scheme, _, found := strings.Cut(location, ":")
		if name = scheme; !found || strings.ContainsAny(scheme, `/\`) {
			name = "local"
		}
	}
	return kindNamed(v.App.Places.StorageKinds(), name)
}

// kindNamed returns the kind of a name, the first one if there is none.
func kindNamed(all []app.Kind, name string) app.Kind {
	i := slices.IndexFunc(all, func(k app.Kind) bool { return k.Kind == name })
	return all[max(i, 0)]
}

// storageFields are the fields of a storage of its kind: where it is, how to sign in there, and its limits.
func (v *visit) storageFields(x *backstay.Storage) []group {
	kind := v.kindOfStorage(x.Location)
	local := v.may(backstay.ManageStorages, backstay.Everywhere, "")
	location := &field{Name: "location", Title: "Location", Help: "Written as " + shownForm(kind.Form), Kind: textField, Value: x.Location, Wide: true, Auto: "off"}
	var described = slices.Clone(kind.Fields)
	for _, f := range kind.Fields {
		if slices.Contains(kind.Within, f.Name) {
			described = slices.DeleteFunc(described, func(d settingsField) bool { return d.Name == f.Name })
			if len(kind.Within) == 1 {
				location.Title, location.Help = f.Title, f.Help
			}
		}
	}
	if kind.Kind != "local" {
		location.Help = "Written as " + shownForm(kind.Form)
		if x.Location == "" {
			location.Value = kind.Kind + ":"
		}
	}
	where := group{Title: kind.Title, Fields: []*field{{Name: "name", Title: "Name", Kind: textField, Value: x.Name, Help: "As you call it, such as Box in the cellar.", Wide: true}, location}}
	if x.ID == "" {
		where.Fields = append(where.Fields, v.projectField(backstay.ManageStorages), &field{Name: "kind", Kind: carriedField, Value: kind.Kind})
	}
	groups := []group{where}
	asked, more := group{Title: "Settings"}, group{Title: "More settings", Closed: true}
	for _, f := range settingsFields(described, x.Settings, x.Secrets, local) {
		if f.Optional && f.Default != "" {
			more.Fields = append(more.Fields, f)
		} else {
			asked.Fields = append(asked.Fields, f)
		}
	}
	for _, g := range []group{asked, more} {
		if len(g.Fields) > 0 {
			groups = append(groups, g)
		}
	}
	return append(groups, group{Title: "Limits", Fields: []*field{
		{Name: "limit", Title: "Holds at most", Kind: sizeField, Value: sizeValue(x.Limit), Optional: true, Help: "Such as 2 TB. An alert tells when it is above; nothing is deleted by itself."},
		{Name: "upload", Title: "Upload at most", Unit: "KiB a second", Kind: textField, Value: x.Upload, Optional: true, Help: "Such as 1024, or 1024,08:00-18:00=256 for less by day."},
		{Name: "download", Title: "Download at most", Unit: "KiB a second", Kind: textField, Value: x.Download, Optional: true},
		{Name: "parallel", Title: "Runs at once at most", Kind: numberField, Value: numberValue(int64(x.Parallel)), Optional: true},
	}})
}

// storagesPage lists storages and repositories.
type storagesPage struct {
	frame
	Heading, Lead string
	Acts          []act
	Storages      table
	Repositories  table
	Kit           *notice
}

// notice is a fact within a page, and what to do about it.
type notice struct {
	Tone, Icon, Fact, Text string
	Acts                   []act
}

func (v *visit) storagesPage() error {
	storages, next, err := v.App.Storages.List(v.ctx, v.who, v.list())
	if err != nil {
		return err
	}
	repositories, _, err := v.App.Repositories.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name", Project: v.project()})
	if err != nil {
		return err
	}
	held, count := map[string]int64{}, map[string]int{}
	var bytes int64
	for _, r := range repositories {
		held[r.Storage] += r.Bytes
		count[r.Storage]++
		bytes += r.Bytes
	}
	page := storagesPage{frame: v.frame("Storage"), Heading: counted(len(storages), "storage holds", "storages hold") + " " + bytesText(bytes)}
	if len(storages) == 0 {
		page.Heading = "Nothing is stored yet"
	}
	page.Lead = "In " + counted(len(repositories), "encrypted repository", "encrypted repositories") + " that restic can read, too."
	if v.somewhere(backstay.ManageStorages) {
		page.Acts = []act{{Word: "Add a storage", Icon: "plus", Href: "/storage/new", Tone: "primary"}}
	}
	page.Storages = table{Label: "Storages", Columns: []column{v.sortable("Name", "name"), {Title: "Used"}, {Title: "Repositories", Drop: true}, {Title: "Limit"}}, Next: v.nextPage(next),
		Empty: &empty{Icon: "storage", Title: "No storage yet", Text: "A storage is a place for backups: a folder, a server, a cloud. Best is one that is not in this building.", Acts: page.Acts}}
	for _, s := range storages {
		r := row{Name: s.Name, Sub: v.kindOfStorage(s.Location).Title, Href: "/storage/" + s.ID, Cells: []cell{{Text: bytesText(held[s.ID])}, {Text: countText(count[s.ID])}, limitCell(held[s.ID], s.Limit)}}
		page.Storages.Rows = append(page.Storages.Rows, r)
	}
	page.Repositories = v.repositoryTable(repositories)
	if page.Kit, err = v.kitNotice(len(repositories)); err != nil {
		return err
	}
	return v.show("storages", page)
}

// limitCell says whether a storage holds too much.
func limitCell(held, limit int64) cell {
	switch {
	case limit == 0:
		return cell{Text: "No limit"}
	case held > limit:
		return cell{Pill: &pill{"fail", "fail", "Above its limit", true}, Sub: bytesText(limit)}
	case held > limit/10*9:
		return cell{Pill: &pill{"warn", "warn", "Nearly full", true}, Sub: bytesText(limit)}
	}
	return cell{Pill: &pill{"ok", "ok", "Room left", true}, Sub: bytesText(limit)}
}

// storagePage is a page about one storage.
type storagePage struct {
	thingPage
	Lead         string
	Tested       *notice
	Trend        *usageTrend
	Repositories table
	Add          *act
}

func (v *visit) storagePage(n nounPages[backstay.Storage, *backstay.Storage], s backstay.Storage) error {
	repositories, _, err := v.App.Repositories.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name", Filters: map[string]string{"storage": s.ID}})
	if err != nil {
		return err
	}
	var held int64
	for _, r := range repositories {
		held += r.Bytes
	}
	kind := v.kindOfStorage(s.Location)
	page := storagePage{thingPage: thingPage{frame: v.frame(s.Name), Heading: s.Name, Back: tab{Href: "/storage", Word: "Storage"}}, Lead: kind.Title + ", holds " + bytesText(held) + " in " + counted(len(repositories), "repository", "repositories") + "."}
	page.Facts = storageFacts(s, kind, held)
	manage := v.may(backstay.ManageStorages, s.Scope, s.Owner)
	if manage {
		page.Acts = append([]act{{Word: "Test writing", Icon: "play", Href: "/storage/" + s.ID + "?try=1"}}, n.changing(v, &s)...)
	}
	if v.may(backstay.ManageRepository, backstay.ProjectScope(s.Project).Of("repository", "new"), "") {
		page.Add = &act{Word: "Add a repository", Icon: "plus", Href: "/repositories/new?storage=" + s.ID, Tone: "primary"}
	}
	page.Repositories = v.repositoryTable(repositories)
	if page.Trend, err = v.usageTrend(s.ID); err != nil {
		return err
	}
	if manage && v.query("try") != "" {
		page.Tested = v.tryStorage(s.ID)
	}
	return v.show("storage", page)
}

// usageTrend is what a storage held in the last weeks, and when it is full.
type usageTrend struct {
	Text  string
	Full  pill
	On    html
	Spark *spark
	Days  []usageRow // the newest first
}

// usageRow is what a storage held on a day.
type usageRow struct{ Day, Bytes, Snapshots string }

func (v *visit) usageTrend(id string) (*usageTrend, error) {
	u, err := v.App.StorageUsage(v.ctx, v.who, id, sparkDays)
	if err != nil || len(u.Days) == 0 {
		return nil, err
	}
	t := &usageTrend{Text: trendText(u.Growth, len(u.Days))}
	t.Full, t.On = v.fullness(u.StorageState)
	t.Spark = sparkOf(u.Days, t.Full.Tone)
	for _, d := range slices.Backward(u.Days) {
		t.Days = append(t.Days, usageRow{d.Day, bytesText(d.Bytes), countText(d.Snapshots)})
	}
	return t, nil
}

func storageFacts(s backstay.Storage, kind app.Kind, held int64) []fact {
	facts := []fact{{Name: "Location", Text: s.Location}}
	limit := limitCell(held, s.Limit)
	if s.Limit > 0 {
		facts = append(facts, fact{Name: "Limit", Text: bytesText(s.Limit), Pill: limit.Pill})
	}
	for _, f := range kind.Fields {
		switch {
		case slices.Contains(s.Secrets, f.Name):
			facts = append(facts, fact{Name: f.Title, Text: "Saved, never shown"})
		case s.Settings[f.Name] != "":
			facts = append(facts, fact{Name: f.Title, Text: s.Settings[f.Name]})
		}
	}
	for name, value := range map[string]string{"Upload at most": s.Upload, "Download at most": s.Download} {
		if value != "" {
			facts = append(facts, fact{Name: name, Text: value + " KiB a second"})
		}
	}
	return facts
}

// tryStorage writes and reads a file in a storage, and says what came of it.
func (v *visit) tryStorage(id string) *notice {
	result, err := v.App.TestStorage(v.ctx, v.who, id)
	if err != nil {
		what, hint := v.told(err)
		return &notice{Tone: "fail", Icon: "fail", Fact: "The test failed.", Text: what + " " + hint}
	}
	return &notice{Tone: "ok", Icon: "ok", Fact: "It can be used.", Text: "A small file was written in " + countText(result.SaveMillis) + nbsp + "ms, read back in " + countText(result.LoadMillis) + nbsp + "ms, and removed."}
}

// storageChoices are the storages that somebody sees, to choose from.
func (v *visit) storageChoices() (all []choice, err error) {
	storages, _, err := v.App.Storages.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name", Project: v.project()})
	for _, s := range storages {
		all = append(all, choice{Value: s.ID, Title: s.Name, Help: s.Location})
	}
	return all, err
}

// refused answers a form again.
func (v *visit) refused(f *form, err error, show func(status int) error) error {
	status, err := f.refuse(v, err)
	if err != nil {
		return err
	}
	return show(status)
}
