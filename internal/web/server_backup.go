package web

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
)

const serverBackupPath = "/settings/server-backup"

// registerServerBackup registers the pages of the backups that the server makes of itself.
func (s *Site) registerServerBackup() {
	s.get(serverBackupPath, func(v *visit) error { return v.showServerBackup(http.StatusOK, nil) })
	s.get(serverBackupPath+"/edit", func(v *visit) error {
		f, err := v.serverBackupForm()
		if err != nil {
			return err
		}
		return v.showServerBackupForm(http.StatusOK, v.ask(f))
	})
	s.post(serverBackupPath+"/edit", changeServerBackup)
	s.post(serverBackupPath+"/start", startServerBackup)
}

// serverBackupPage says whether the server is backed up itself, and how it is restored.
type serverBackupPage struct {
	thingPage
	Restore []string // commands
}

func (v *visit) showServerBackup(status int, note *notice) error {
	set, err := v.App.Settings(v.ctx, v.who)
	if err != nil {
		return err
	}
	title := "The server is not backed up"
	page := serverBackupPage{thingPage: thingPage{Note: note, Lead: "People, rights, plans, and all else that no repository knows. Choose a repository, so that this server can be restored.", Tabs: v.settingsTabs()}}
	may := v.may(backstay.ManageSystem, backstay.System, "")
	choose := act{Word: "Choose a repository", Icon: "storage", Href: serverBackupPath + "/edit", Tone: "primary"}
	if set.BackupRepository != "" {
		title = "The server is backed up " + set.ServerSchedule().String()
		page.Lead = "People, rights, plans, and all else that no repository knows."
		repository := v.names().thing("repository", set.BackupRepository, backstay.System)
		page.Facts = []fact{{Name: "Repository", Text: repository}, {Name: "When", Text: upper(set.ServerSchedule().String())}}
		choose.Word, choose.Icon, choose.Tone = "Change", "edit", ""
	}
	page.frame, page.Heading = v.frame(title), title
	if may {
		page.Acts = []act{choose}
	}
	if set.BackupRepository != "" {
		if may {
			page.Acts = slices.Insert(page.Acts, 0, act{Word: "Back up now", Icon: "play", Href: serverBackupPath + "/start", Post: true, Tone: "primary"})
		}
		if page.Parts, err = v.serverBackupParts(set); err != nil {
			return err
		}
	}
	page.Restore = []string{"backstay server restore -r REPOSITORY --password-file password --key key.txt --data /var/lib/backstay"}
	return v.answer(status, "serverbackup", page)
}

// serverBackupParts are the runs of it, and, once asked for, what the repository itself says: it may take a while to answer.
func (v *visit) serverBackupParts(set backstay.Settings) ([]thingPart, error) {
	runs, _, err := v.App.Runs.List(v.ctx, v.who, app.List{Limit: 10, Sort: "-created_at", Filters: map[string]string{"kind": string(backstay.RunServer)}})
	if err != nil {
		return nil, err
	}
	t := table{Label: "The last runs", Columns: []column{{Title: "When"}, {Title: "State"}}, Empty: &empty{Icon: "pending", Title: "Not yet", Text: "The first one comes as scheduled, or now if you start it."}}
	for _, r := range runs {
		state := statePill(r.State)
		state.Plain = true
		t.Rows = append(t.Rows, row{Name: v.day(r.CreatedAt) + ", " + r.CreatedAt.In(v.zone).Format("15:04"), Href: "/activity/" + r.ID, Cells: []cell{{Pill: &state}}})
	}
	kept := thingPart{Title: "In the repository", Text: "The repository is asked for them; that may take some seconds.", Acts: []act{{Word: "Show them", Icon: "search", Href: serverBackupPath + "?show=backups"}}}
	if v.query("show") == "backups" {
		kept = v.keptServerBackups()
	}
	return []thingPart{{Title: "The last runs", Table: &t}, kept}, nil
}

// keptServerBackups are those that the repository holds, or why it doesn't say.
func (v *visit) keptServerBackups() thingPart {
	all, err := v.App.ServerBackups(v.ctx, v.who)
	if err != nil {
		e, _ := door.Failure(err)
		return thingPart{Title: "In the repository", Note: &notice{Tone: "fail", Icon: "fail", Fact: sentence(e.Msg), Text: e.Hint}}
	}
	t := table{Label: "Backups of the server", Columns: []column{{Title: "Snapshot"}, {Title: "When"}, {Title: "Host"}, {Title: "Size", End: true}}, Empty: &empty{Title: "None", Text: "The repository holds no backup of a server."}}
	for _, b := range all {
		t.Rows = append(t.Rows, row{Name: b.Snapshot[:min(8, len(b.Snapshot))], Cells: []cell{{Text: v.when(b.Time)}, {Text: b.Host}, {Text: bytesText(b.Bytes)}}})
	}
	return thingPart{Title: "In the repository", Table: &t}
}

func (v *visit) serverBackupForm() (*form, error) {
	set, err := v.App.Settings(v.ctx, v.who)
	if err != nil {
		return nil, err
	}
	repositories, _, err := v.App.Repositories.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name"})
	if err != nil {
		return nil, err
	}
	where := &field{Name: "backup_repository", Title: "Repository", Kind: selectField, Value: set.BackupRepository, Wide: true, Choices: []choice{{Title: "None: the server is not backed up"}},
		Help: "One in another house than this server. Whoever has its password and the server's key can read all that the server knows."}
	n := v.names()
	for _, r := range repositories {
		where.Choices = append(where.Choices, choice{Value: r.ID, Title: r.Name + " (" + n.project(r.Project) + ")"})
	}
	s := set.ServerSchedule()
	every := &field{Name: "backup_schedule.every", Title: "How often", Kind: selectField, Value: s.Every, Choices: []choice{{Value: "day", Title: "Once a day"}, {Value: "hour", Title: "Once an hour"}, {Value: "6h", Title: "Every six hours"}}}
	if !slices.ContainsFunc(every.Choices, func(c choice) bool { return c.Value == s.Every }) {
		every.Choices = append(every.Choices, choice{Value: s.Every, Title: "As it is: " + s.String()})
	}
	if s.Zone == "" {
		s.Zone = v.zone.String()
	}
	return &form{Action: serverBackupPath + "/edit", Submit: "Save", Back: serverBackupPath, Version: set.Version, Groups: []group{{Fields: []*field{
		where, every, {Name: "backup_schedule.at", Title: "At", Kind: timeField, Value: s.At, Optional: true, Help: "In " + s.Zone + "."}, {Name: "backup_schedule.zone", Kind: hiddenField, Value: s.Zone},
		{Name: "backup_schedule.catch_up", Title: "Catch up after it was missed", Kind: switchField, Value: strconv.FormatBool(s.CatchUp)},
	}}}}, nil
}

func (v *visit) showServerBackupForm(status int, f *form) error {
	return v.answer(status, "edit", editPage{frame: v.frame("Backup of the server"), Heading: "Where is the server backed up?", Back: tab{Href: serverBackupPath, Word: "Backup of the server"}, Form: f})
}

func changeServerBackup(v *visit) error {
	f, err := v.serverBackupForm()
	if err != nil {
		return err
	}
	return v.saveSettings(f, serverBackupPath, v.showServerBackupForm)
}

func startServerBackup(v *visit) error {
	run, err := v.App.StartServerBackup(v.ctx, v.who)
	if err != nil {
		return v.refusedOn((*visit).showServerBackup, err)
	}
	return v.redirect("/activity/"+run.ID, "The backup of the server has begun.")
}
