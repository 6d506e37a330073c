package app

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
)

// readRestore finds a restore whose changes the actor may see.
func (a *App) readRestore(ctx context.Context, who backstay.Actor, id string) (r backstay.Restore, err error) {
	err = a.look(ctx, who, "restore.read", func(t *task) error {
		r, err = t.wholeRestore(id, backstay.PlanRestores)
		return err
	})
	return r, err
}

// wholeRestore finds a restore in whose every part the actor has a permission.
func (t *task) wholeRestore(id string, p backstay.Permission) (r backstay.Restore, err error) {
	if r, err = t.app.Restores.find(t, id); err == nil {
		err = t.allowParts(r, p)
	}
	return r, err
}

// allowParts refuses a restore with parts that belong to modules in which the actor is denied a permission. Somebody else may have planned
// it, or the actor before they were denied that.
func (t *task) allowParts(r backstay.Restore, p backstay.Permission) error {
	denied, err := t.deniedIn(r.Source, p)
	if err != nil {
		return err
	}
	for _, name := range denied {
		see := sight{only: r.Paths, without: r.Without}
		if see.shows(name, true) {
			return backstay.Errorf(backstay.Denied, "the restore has parts in which you may not do that (%s)", p).WithHint("Plan one of your own, without them.")
		}
	}
	return nil
}

// ChangesOf says which changes of a plan are wanted.
type ChangesOf struct {
	Action entry.Action // only these; "" for all
	Text   string       // only those with this in the path, in any case of letters
}

// Has reports whether a change is wanted.
func (o ChangesOf) Has(c entry.Change) bool {
	return (o.Action == "" || c.Action == o.Action) && (o.Text == "" || strings.Contains(strings.ToLower("/"+c.Path), strings.ToLower(o.Text)))
}

// RestoreChanges returns a page of a plan, in the order of the paths, and the cursor of the next page.
func (a *App) RestoreChanges(ctx context.Context, who backstay.Actor, id string, of ChangesOf, cursor string, limit int) (page []entry.Change, next string, err error) {
	r, err := a.readRestore(ctx, who, id)
	if err != nil {
		return nil, "", err
	}
	if r.PlanFile == "" {
		return nil, "", backstay.Errorf(backstay.Conflict, "the restore is %s: it has no plan", r.State)
	}
	begin := 0
	if cursor != "" {
		if begin, err = strconv.Atoi(cursor); err != nil {
			return nil, "", backstay.Errorf(backstay.Invalid, "the cursor belongs to another list").OnField("cursor")
		}
	}
	at := -1
	for c, err := range a.planChanges(r, func(c entry.Change) entry.Change { return c }) {
		if err != nil {
			return nil, "", planError(err)
		}
		if at++; at < begin || !of.Has(c) {
			continue
		}
		if len(page) == limit {
			return page, strconv.Itoa(at), nil
		}
		page = append(page, c)
	}
	return page, "", nil
}

// RestoreReport writes what was done, one change a line: as JSON, or as a table for "csv".
func (a *App) RestoreReport(ctx context.Context, who backstay.Actor, id, format string, begin Begin) error {
	r, err := a.readRestore(ctx, who, id)
	if err != nil {
		return err
	}
	file, err := os.Open(a.restoreFile(reportName(r)))
	if errors.Is(err, os.ErrNotExist) {
		return backstay.Errorf(backstay.NotFound, "the restore is %s: there is no report of it on this server", r.State)
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	if format == "csv" {
		return reportTable(file, csv.NewWriter(begin(Attachment{"restore-" + id + ".csv", -1})))
	}
	_, err = io.Copy(begin(Attachment{"restore-" + id + ".ndjson", -1}), file)
	return err
}

// reportTable writes the lines of a report as a table.
func reportTable(report io.Reader, w *csv.Writer) error {
	if err := w.Write([]string{"path", "type", "action", "size", "old_size", "without", "reason"}); err != nil {
		return err
	}
	decoder := json.NewDecoder(bufio.NewReader(report))
	for {
		var c entry.Change
		if err := decoder.Decode(&c); err != nil {
			if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) { // the last line may be about to be written
				break
			}
			return err
		}
		row := []string{"/" + c.Path, string(c.Type), string(c.Action), strconv.FormatUint(c.Size, 10), strconv.FormatUint(c.Old, 10), strings.Join(c.Without.Names(), " "), c.Reason}
		for i := range row {
			row[i] = HarmlessCell(row[i])
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
