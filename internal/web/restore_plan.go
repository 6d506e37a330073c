package web

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/app"
)

// changeList is a part of a plan, or of a report.
type changeList struct {
	Title   string
	Filters []changeFilter
	Search  search
	Rows    []changeRow
	Decide  bool // some can be decided about
	Here    string
	Next    string
	Empty   *empty
}

// changeFilter leads to the changes of one action.
type changeFilter struct {
	Href, Word string
	Count      int64
	Current    bool
}

// changeRow is one change.
type changeRow struct {
	Name, Folder, At string
	Pill             pill
	Size, Now        string
	Reason           string
	Choices          []choice
}

// planActions are what a plan does, in the order in which people want to see it.
var planActions = []struct {
	action entry.Action
	pill   pill
	done   string // in a report
}{
	{entry.Failed, pill{"fail", "fail", "Failed", true}, "Failed"},
	{entry.Conflict, pill{"fail", "warn", "Decide", true}, "Left open"},
	{entry.Create, pill{"ok", "plus", "Create", true}, "Created"},
	{entry.Overwrite, pill{"warn", "edit", "Overwrite", true}, "Overwritten"},
	{entry.Update, pill{"warn", "edit", "Set times and rights", true}, "Times and rights set"},
	{entry.Delete, pill{"fail", "trash", "Delete", true}, "Deleted"},
	{entry.Skip, pill{"idle", "skip", "Skip", true}, "Skipped"},
	{entry.Unchanged, pill{"idle", "check", "Equal already", true}, "Equal already"},
}

// actionPill is how an action looks, in a plan or in a report of what was done.
func actionPill(a entry.Action, done bool) pill {
	for _, one := range planActions {
		if one.action == a {
			if done {
				one.pill.Word = one.done
			}
			return one.pill
		}
	}
	return pill{"idle", "help", string(a), true}
}

// planPage shows the plan: what is open first.
func (v *visit) planPage(page *restorePage, r backstay.Restore) error {
	snapshot, err := v.App.RestoreWays(v.ctx, v.who, r.Snapshot, nil)
	if err != nil {
		return err
	}
	t := r.Totals
	files, size := t[entry.Create].Count+t[entry.Overwrite].Count, t[entry.Create].Bytes+t[entry.Overwrite].Bytes
	page.Open = t[entry.Conflict].Count
	page.Heading = "Nothing has been changed yet"
	page.Lead = "This plan brings back " + html(counted(files, "file or folder", "files and folders")) + " (" + html(bytesText(int64(size))) + ") as of " + v.when(snapshot.Snapshot.Time) + "." //nolint:gosec // numbers
	if t[entry.Delete].Count > 0 {
		page.Lead += " It deletes " + html(countText(t[entry.Delete].Count)) + "." //nolint:gosec // a number
	}
	way := snapshot.Original
	if r.Target == backstay.TargetFolder {
		way = snapshot.Folder
	}
	page.Before = v.before(r, snapshot.Snapshot, way)
	switch work := files + t[entry.Update].Count + t[entry.Delete].Count; {
	case way != nil || page.Open > 0:
	case work == 0:
		page.Lead = "There is nothing to do: all of it is there already, or is left as it is."
	default:
		page.Apply = "Restore " + counted(files, "file or folder", "files and folders")
		if files == 0 {
			page.Apply = "Do what the plan says"
		}
	}
	page.Changes, err = v.planChanges(r)
	return err
}

// before are the facts that matter before it begins: what is open first.
func (v *visit) before(r backstay.Restore, s backstay.Snapshot, way error) (all []restoreCheck) {
	if n := r.Totals[entry.Conflict].Count; n > 0 {
		all = append(all, restoreCheck{"warn", "warn", counted(n, "file or folder differs", "files or folders differ") + " from what is there.", "Choose what to keep."})
	}
	if way != nil {
		all = append(all, restoreCheck{"fail", "lock", "You can't have it done:", whyNot(way)})
	}
	row, _ := backstay.FindPermission(r.Permission())
	if way == nil && row.Dangerous() && !v.who.Fresh {
		all = append(all, restoreCheck{"warn", "shield", "You will be asked to confirm that it is you.", ""})
	}
	switch {
	case s.Health == backstay.HealthDamaged:
		all = append(all, restoreCheck{"fail", "fail", "The snapshot is damaged.", "What can't be read is named in the report."})
	case s.Health == backstay.HealthGood && s.HealthAt != nil:
		all = append(all, restoreCheck{"ok", "ok", "The snapshot was verified", "on " + v.day(*s.HealthAt) + " (" + s.HealthLevel + ")."})
	default:
		all = append(all, restoreCheck{"idle", "pending", "The snapshot was not verified yet.", "Each file is checked while it is read."})
	}
	if len(r.Without) > 0 {
		all = append(all, restoreCheck{"warn", "lock", "Some of it is left out,", "since you may not have it."})
	}
	if way == nil {
		all = append(all, restoreCheck{"ok", "ok", "You may restore there:", targetText(r) + "."})
	}
	return append(all, restoreCheck{"ok", "ok", "What changes there from now on is not overwritten.", ""})
}

// planChanges are the changes that the address asks for; at first those that are open.
func (v *visit) planChanges(r backstay.Restore) (*changeList, error) {
	of := app.ChangesOf{Action: entry.Action(v.query("show")), Text: strings.TrimSpace(v.query("search"))}
	if r.Totals[entry.Conflict].Count > 0 && !v.r.URL.Query().Has("show") {
		of.Action = entry.Conflict
	}
	changes, next, err := v.App.RestoreChanges(v.ctx, v.who, r.ID, of, v.query("cursor"), pageSize)
	if err != nil {
		return nil, err
	}
	list := v.changeList("What will happen", r.Totals, of, false)
	list.Next = v.nextPage(next)
	for _, c := range changes {
		row := v.changeRow(c, false)
		row.Choices = decisionsOf(c)
		list.Decide = list.Decide || len(row.Choices) > 0
		list.Rows = append(list.Rows, row)
	}
	return list, nil
}

// changeList is a list without its rows.
func (v *visit) changeList(title string, totals entry.Totals, of app.ChangesOf, done bool) *changeList {
	list := &changeList{Title: title, Here: v.r.URL.RequestURI(), Search: search{Label: "Filter by name", Value: of.Text, Keep: []sent{{"show", string(of.Action)}}}}
	all := int64(0)
	for _, total := range totals {
		all += total.Count
	}
	list.Filters = append(list.Filters, changeFilter{Href: v.showing(""), Word: "All", Count: all, Current: of.Action == ""})
	for _, one := range planActions {
		if n := totals[one.action].Count; n > 0 {
			list.Filters = append(list.Filters, changeFilter{Href: v.showing(string(one.action)), Word: actionPill(one.action, done).Word, Count: n, Current: of.Action == one.action})
		}
	}
	list.Empty = &empty{Title: "Nothing is so", Text: "No path is called so, or is treated so.", Filtered: true, Acts: []act{{Word: "Show all", Href: v.r.URL.Path + "?show="}}}
	return list
}

// showing is the address of the list with the changes of an action.
func (v *visit) showing(action string) string {
	to := v.with("show", action)
	if action == "" && strings.Contains(to, "?") {
		return to + "&show="
	} else if action == "" {
		return to + "?show="
	}
	return to
}

func (v *visit) changeRow(c entry.Change, done bool) changeRow {
	p := "/" + c.Path
	row := changeRow{Name: baseName(p), Folder: folderOf(p), At: url.QueryEscape(c.Path), Pill: actionPill(c.Action, done), Size: bytesText(int64(c.Size)), Now: bytesText(int64(c.Old)), Reason: c.Reason}
	switch {
	case c.Type == "":
		row.Size = "Not in it"
	case c.Type == entry.Dir:
		row.Size, row.Now = "Folder", "Folder"
	}
	if c.Action == entry.Create {
		row.Now = "Not there"
	}
	if names := c.Without.Names(); len(names) > 0 {
		row.Reason = strings.TrimSpace(row.Reason + " Can't be kept there: " + strings.Join(names, ", ") + ".")
	}
	return row
}

// decisionsOf are what can be decided about a change.
func decisionsOf(c entry.Change) []choice {
	at := " " + url.QueryEscape(c.Path)
	keep := choice{Value: "skip" + at, Title: "Keep what is there"}
	switch c.Action {
	case entry.Conflict:
		over := choice{Value: "overwrite" + at, Title: "Overwrite"}
		switch c.Type {
		case "":
			over.Title = "Delete it"
		case entry.Dir:
			over.Title, keep.Title = "Set its times and rights", "Keep its times and rights"
		}
		return []choice{{Title: "Choose…", Chosen: true}, over, keep}
	case entry.Create:
		keep.Title = "Leave it out"
		if c.Type == entry.Dir {
			keep.Value, keep.Title = leaveOut+at, "Leave it out, and all in it"
		}
		return []choice{{Title: "Create", Chosen: true}, keep}
	case entry.Overwrite:
		return []choice{{Title: "Overwrite", Chosen: true}, keep}
	case entry.Delete:
		return []choice{{Title: "Delete", Chosen: true}, keep}
	case entry.Update:
		keep.Title = "Keep them"
		return []choice{{Title: "Set them", Chosen: true}, keep}
	}
	return nil
}

// backTo is the page that the form came from, if it is one of a restore; else the other one.
func (v *visit) backTo(other string) string {
	if to := v.next(); strings.HasPrefix(to, other+"?") {
		return to
	}
	return other
}

// reportPage shows what was done: what failed first.
func (v *visit) reportPage(page *restorePage, r backstay.Restore) error {
	t := r.Result
	files, size := t[entry.Create].Count+t[entry.Overwrite].Count, t[entry.Create].Bytes+t[entry.Overwrite].Bytes
	page.Heading = counted(files, "file or folder is back", "files and folders are back")
	page.Lead = html(bytesText(int64(size))) + " went to " + html(htmlText(targetText(r))) + "." //nolint:gosec // a number; the other is escaped
	of := app.ChangesOf{Action: entry.Action(v.query("show")), Text: strings.TrimSpace(v.query("search"))}
	if n := t[entry.Failed].Count; n > 0 {
		page.Mark = pill{"warn", "warn", "Done, but not all", false}
		page.Lead += " " + html(counted(n, "path", "paths")) + " could not be brought back: look why below." //nolint:gosec // a number
		if !v.r.URL.Query().Has("show") {
			of.Action = entry.Failed
		}
	}
	lines := &reportLines{of: of, from: v.number("from", 0)}
	if err := v.App.RestoreReport(v.ctx, v.who, r.ID, "ndjson", func(app.Attachment) io.Writer { return lines }); err != nil {
		return err
	}
	page.Changes = v.changeList("What was done", t, of, true)
	for _, c := range lines.page {
		page.Changes.Rows = append(page.Changes.Rows, v.changeRow(c, true))
	}
	if lines.more {
		page.Changes.Next = v.with("from", strconv.Itoa(lines.from+pageSize))
	}
	return nil
}

// reportLines takes a page of a report that is written to it.
type reportLines struct {
	of   app.ChangesOf
	from int // lines that are passed over
	rest []byte
	seen int
	page []entry.Change
	more bool
}

func (l *reportLines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.rest = rest
		var c entry.Change
		if err := json.Unmarshal(line, &c); err != nil {
			return 0, err
		}
		if !l.of.Has(c) {
			continue
		}
		if l.seen++; l.seen <= l.from {
			continue
		}
		if len(l.page) == pageSize {
			l.more = true
			continue
		}
		l.page = append(l.page, c)
	}
}
