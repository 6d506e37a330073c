package web

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/retention"
)

// snapshotPage is the page of a snapshot.
type snapshotPage struct {
	frame
	Back      tab
	Heading   string
	State     *pill
	Lead      []html
	Acts      []act
	Verify    []choice // how much can be verified; none for who may not
	In        string   // the name of its repository
	ID        string
	Facts     []fact
	Paths     []string
	Tags      []string
	Tag       *form // to add one; nil for who may not
	Copies    table
	Others    *field // to compare with
	MayBrowse bool
}

var levels = []choice{{Value: "structure", Title: "Structure", Help: "That all is there. Takes seconds"}, {Value: "sample", Title: "A sample of the data", Help: "Some of the data, another part each time"},
	{Value: "full", Title: "All data", Help: "Every byte. May take hours"}}

// snapshot is the page of one.
func (v *visit) snapshot() error {
	s, err := v.App.Snapshots.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	return v.showSnapshot(http.StatusOK, s, tagForm(s))
}

// tagForm is the form that adds a tag to a snapshot.
func tagForm(s backstay.Snapshot) *form {
	return newForm("/snapshots/"+s.ID+"/tags", "Add", "", &field{Name: "add", Title: "New tag", Kind: textField, Auto: "off"})
}

func (v *visit) showSnapshot(status int, s backstay.Snapshot, tag *form) error {
	names, err := v.App.Names(v.ctx, v.who, []string{s.Source, s.Repository, s.Plan})
	if err != nil {
		return err
	}
	state := healthPill(s.Health)
	state.Plain = false
	name := cmp.Or(names[s.Source], s.Host)
	page := snapshotPage{frame: v.frame(name + ", " + v.stamp(s.Time)), ID: s.ID, Back: tab{Href: "/snapshots", Word: "Snapshots"}, Heading: name + ", " + v.stamp(s.Time), State: &state, Lead: v.snapshotLead(s, names),
		In: cmp.Or(names[s.Repository], "its repository"), Facts: v.snapshotFacts(s, names), Paths: s.Paths, Tags: peoplesTags(s.Tags), MayBrowse: v.may(backstay.BrowseSnapshots, s.Scope, s.Owner)}
	if name, ok := names[s.Source]; ok {
		page.Back = tab{Href: "/sources/" + s.Source, Word: name}
	}
	if v.may(backstay.ProtectSnapshots, s.Scope, s.Owner) {
		page.Tag = tag
	}
	page.Acts = v.snapshotActs(s)
	if r, err := v.App.Repositories.Find(v.ctx, v.who, s.Repository); err == nil && v.may(backstay.StartVerification, r.Scope, r.Owner) {
		page.Verify = levels
	}
	if page.Copies, err = v.copiesOf(s); err != nil {
		return err
	}
	if page.MayBrowse {
		others, err := v.comparable(s)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			page.Others = &field{Name: "with", Title: "Compare with", Kind: selectField, Choices: others, Value: before(s, others)}
		}
	}
	return v.answer(status, "snapshot", page)
}

// peoplesTags are the tags without those that Backstay itself has set.
func peoplesTags(tags []string) (own []string) {
	for _, tag := range tags {
		name, _, fact := strings.Cut(tag, "=")
		if (!fact || !slices.Contains([]string{"run", "plan", "source", "type", "base", "module"}, name)) && tag != retention.Protected {
			own = append(own, tag)
		}
	}
	return own
}

// snapshotLead says how good it is and what keeps it.
func (v *visit) snapshotLead(s backstay.Snapshot, names map[string]string) (lead []html) {
	switch {
	case s.Health == backstay.HealthUnverified:
		lead = append(lead, "It was not verified yet.")
	case s.Health == backstay.HealthDamaged:
		lead = append(lead, "A part of it can't be read. Other snapshots and copies may be whole: compare before you restore.")
	case s.Health == backstay.HealthGone:
		lead = append(lead, "The repository no longer has it, and nobody here removed it.")
	case s.HealthAt != nil:
		lead = append(lead, html(map[string]string{"structure": "Its structure was", "sample": "A sample of its data was", "full": "All of its data was"}[s.HealthLevel]+" verified ")+v.ago(*s.HealthAt)+".") //nolint:gosec // of the program
	}
	if name, ok := names[s.Repository]; ok {
		lead = append(lead, "It is in "+link("/repositories/"+s.Repository, html(htmlText(name)))+".") //nolint:gosec // escaped
	}
	if s.Protected {
		lead = append(lead, "It is protected: no retention removes it.")
	}
	if s.KeptUntil != nil && s.KeptUntil.After(v.App.Clock.Now()) {
		lead = append(lead, "Object lock keeps it until "+v.when(*s.KeptUntil)+", whatever anybody does.")
	}
	return lead
}

func (v *visit) snapshotFacts(s backstay.Snapshot, names map[string]string) []fact {
	facts := []fact{{Name: "Made", Text: v.whenExact(s.Time)}, {Name: "Holds", Text: counted(s.Files, "file", "files") + ", " + bytesText(s.Bytes)},
		{Name: "What it costs", Text: bytesText(s.Added) + " that were new to the repository. Without it at most so many are free."}}
	if s.Type != "" {
		facts = append(facts, fact{Name: "Type", Text: upper(s.Type)})
	}
	if name, ok := names[s.Plan]; ok {
		facts = append(facts, fact{Name: "Plan", Text: link("/plans/"+s.Plan, html(htmlText(name)))}) //nolint:gosec // escaped
	}
	if s.Run != "" {
		facts = append(facts, fact{Name: "Run", Text: link("/activity/"+s.Run, "The run that made it")})
	}
	if s.KeptUntil != nil {
		facts = append(facts, fact{Name: "Object lock", Text: "until " + v.when(*s.KeptUntil)})
	}
	return append(facts, fact{Name: "Host", Text: s.Host}, fact{Name: "In restic", Text: s.Handle[:min(8, len(s.Handle))]})
}

// snapshotActs are what the person may do with a snapshot.
func (v *visit) snapshotActs(s backstay.Snapshot) (acts []act) {
	at := "/snapshots/" + s.ID
	kept := s.Protected || s.KeptUntil != nil && s.KeptUntil.After(v.App.Clock.Now())
	if v.may(backstay.ProtectSnapshots, s.Scope, s.Owner) {
		if s.Protected {
			acts = append(acts, act{Word: "Take protection away", Icon: "lock", Href: at + "/protect", Post: true, Hidden: []sent{{"protect", "false"}}})
		} else {
			acts = append(acts, act{Word: "Protect", Icon: "lock", Href: at + "/protect", Post: true, Hidden: []sent{{"protect", "true"}}})
		}
	}
	if !kept && v.may(backstay.DeleteSnapshots, s.Scope, s.Owner) {
		acts = append(acts, act{Word: "Delete", Icon: "trash", Href: at + "/delete", Tone: "danger"})
	}
	if v.may(backstay.BrowseSnapshots, s.Scope, s.Owner) {
		acts = append(acts, act{Word: "Browse files", Icon: "folder", Href: at + "/files"})
	}
	if v.may(backstay.PlanRestores, s.Scope, s.Owner) {
		acts = append(acts, act{Word: "Restore", Icon: "restore", Href: "/restore/new?snapshot=" + s.ID, Tone: "primary"})
	}
	return acts
}

// copiesOf lists what is the same moment of the same source in other repositories.
func (v *visit) copiesOf(s backstay.Snapshot) (table, error) {
	var same []backstay.Snapshot
	ways := []map[string]string{{"original": s.Original}}
	if s.Run != "" {
		ways = append(ways, map[string]string{"run": s.Run, "source": s.Source})
	}
	for _, filters := range ways {
		all, _, err := v.App.Snapshots.List(v.ctx, v.who, app.List{Limit: 20, Filters: filters})
		if err != nil {
			return table{}, err
		}
		for _, other := range all {
			if other.ID != s.ID && other.Time.Equal(s.Time) && !slices.ContainsFunc(same, func(o backstay.Snapshot) bool { return o.ID == other.ID }) {
				same = append(same, other)
			}
		}
	}
	return v.snapshotRows(same, "The same moment in other repositories")
}

// comparable are the snapshots of the same source in the same repository, the newest first.
func (v *visit) comparable(s backstay.Snapshot) (all []choice, err error) {
	filters := map[string]string{"repository": s.Repository, "source": s.Source}
	if s.Source == "" {
		filters = map[string]string{"repository": s.Repository, "host": s.Host}
	}
	found, _, err := v.App.Snapshots.List(v.ctx, v.who, app.List{Limit: 500, Sort: "-time", Filters: filters})
	for _, other := range found {
		if other.ID == s.ID {
			all = append(all, choice{Value: "", Title: "this one"})
			continue
		}
		all = append(all, choice{Value: other.ID, Title: v.stamp(other.Time) + ", " + bytesText(other.Bytes)})
	}
	return all, err
}

// before is the snapshot before this one among those that it can be compared with; the newest without one.
func before(s backstay.Snapshot, others []choice) string {
	i := slices.IndexFunc(others, func(c choice) bool { return c.Value == "" })
	switch {
	case i >= 0 && i+1 < len(others):
		return others[i+1].Value
	case i > 0:
		return others[i-1].Value
	}
	return others[0].Value
}

// protectSnapshot keeps a snapshot from every retention, or lets go of it.
func (v *visit) protectSnapshot() error {
	protect := v.r.PostForm.Get("protect") == "true"
	if _, err := v.App.ProtectSnapshot(v.ctx, v.who, v.id(), protect); err != nil {
		return err
	}
	if protect {
		return v.redirect("/snapshots/"+v.id(), "It is protected: no retention removes it.")
	}
	return v.redirect("/snapshots/"+v.id(), "It is no longer protected: retention decides about it.")
}

// tagSnapshot adds a tag, or takes one away.
func (v *visit) tagSnapshot() error {
	s, err := v.App.Snapshots.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	f := tagForm(s)
	f.read(v.r)
	var add, remove []string
	if tag := v.r.PostForm.Get("remove"); tag != "" {
		remove = []string{tag}
	} else {
		add = []string{f.value("add")}
	}
	if _, err := v.App.TagSnapshot(v.ctx, v.who, s.ID, add, remove); err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showSnapshot(status, s, f)
	}
	if remove != nil {
		return v.redirect("/snapshots/"+s.ID, "The tag "+remove[0]+" was taken away.")
	}
	return v.redirect("/snapshots/"+s.ID, "It is tagged "+add[0]+" now.")
}

// verifySnapshot begins a verification of the repository that a snapshot lies in.
func (v *visit) verifySnapshot() error {
	s, err := v.App.Snapshots.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	run, err := v.App.StartVerification(v.ctx, v.who, s.Repository, v.r.PostForm.Get("level"))
	if err != nil {
		return err
	}
	return v.redirect("/activity/"+run.ID, "The verification was started.")
}

// snapshotDeletion is the form that deletes one, with what the question says.
func (v *visit) snapshotDeletion(s backstay.Snapshot) (*form, deletePage, error) {
	names, err := v.App.Names(v.ctx, v.who, []string{s.Source, s.Repository})
	name := cmp.Or(names[s.Source], s.Host) + " of " + v.stamp(s.Time)
	f := v.ask(newForm("/snapshots/"+s.ID+"/delete", "Delete the snapshot", "/snapshots/"+s.ID))
	f.Danger = true
	return f, deletePage{frame: v.frame("Delete " + name), Heading: "Delete the snapshot of " + name + "?", Name: name, Back: f.Back, Form: f,
		Goes: "It goes from " + cmp.Or(names[s.Repository], "its repository") + ", and nobody can restore from it any more. At most " + bytesText(s.Added) + " become free there. All other snapshots stay, and so do its copies in other repositories."}, err
}

func (v *visit) askToDeleteSnapshot() error {
	s, err := v.App.Snapshots.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	_, page, err := v.snapshotDeletion(s)
	if err != nil {
		return err
	}
	return v.show("delete", page)
}

func (v *visit) deleteSnapshot() error {
	s, err := v.App.Snapshots.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	f, page, err := v.snapshotDeletion(s)
	if err != nil {
		return err
	}
	if err := v.App.DeleteSnapshot(v.ctx, v.who, s.ID); err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.answer(status, "delete", page)
	}
	to := "/snapshots"
	if s.Source != "" {
		to = "/sources/" + s.Source
	}
	return v.redirect(to, "The snapshot was deleted.")
}
