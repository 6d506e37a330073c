package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// runPage is the page of a run.
type runPage struct {
	frame
	Run runView
	Log *logView
}

// runView is a run in words. Once it is over nothing of it changes.
type runView struct {
	ID, Heading string
	State       pill
	Lead        html
	Acts        []act
	Over        bool
	Meter       *meter
	Figures     []fact
	Item        string
	Failure     *failureView
	Outcomes    []outcomeRow
	Facts       []fact
	Snapshots   string // where what it made is found; "" where it made none
	Said        string
}

// outcomeRow is what became of a source in a repository.
type outcomeRow struct {
	Name, Href string
	Sub        string
	State      pill
	Text       string
	Code       string
}

func (v *visit) runPage() error {
	log, err := v.App.RunLog(v.ctx, v.who, v.id(), int64(v.number("from", 0)), maxLogLines)
	if err != nil {
		return err
	}
	known, err := v.App.KnownOf(v.ctx, v.who, []backstay.Run{log.Run})
	if err != nil {
		return err
	}
	page := runPage{frame: v.frame(runHeading(log.Run, known)), Log: v.logView(log)}
	if page.Run, err = v.runView(log.Run, known, false); err != nil {
		return err
	}
	return v.show("run", page)
}

// runView puts a run in words. Live says that the person has the page before them while it changes.
func (v *visit) runView(r backstay.Run, known app.Known, live bool) (w runView, err error) {
	w = runView{ID: r.ID, Heading: runHeading(r, known), State: statePill(r.State), Over: r.State.Ended(), Outcomes: outcomeRows(r, known)}
	if r.State == backstay.Running {
		w.Meter, w.Item = meterOf(r, known, v.App.Clock.Now()), r.Figures.Item
	}
	again, err := v.nextAttempt(r)
	if err != nil {
		return w, err
	}
	if r.Failure != nil {
		if w.Failure, err = v.failureView(r, known); err != nil {
			return w, err
		}
		w.Failure.Alert = live
	}
	w.Lead, w.Acts, w.Said = v.runLead(r, w.Meter, again), v.runActs(r, known), said(r, w.Meter, runName(r, known))
	w.Figures, w.Facts = v.runFigures(r), v.runFacts(r, known)
	if r.Kind == backstay.RunBackup && len(r.Sources) == 1 && r.State.Ended() && known.Sources[r.Sources[0]].ID != "" {
		w.Snapshots = pathOf("source", r.Sources[0])
	}
	return w, nil
}

// nextAttempt is the run that repeats one that failed; nil without one.
func (v *visit) nextAttempt(r backstay.Run) (*backstay.Run, error) {
	if r.Plan == "" || !r.State.Ended() || r.State.Good() {
		return nil, nil
	}
	runs, _, err := v.App.Activity(v.ctx, v.who, app.Activity{List: app.List{Limit: 20, Filters: map[string]string{"plan": r.Plan, "kind": string(r.Kind)}}})
	for i := range runs {
		if runs[i].RetryOf == r.ID {
			return &runs[i], err
		}
	}
	return nil, err
}

// runActs are what the person may do about a run. What cures a failure comes first, on its card.
func (v *visit) runActs(r backstay.Run, known app.Known) []act {
	name := lowerFirst(runName(r, known))
	switch {
	case !v.may(backstay.StartRuns, r.Scope, r.Owner):
	case r.State == backstay.Pending:
		return []act{{Word: "Cancel run", Of: ": " + name, Href: "/activity/" + r.ID + "/cancel", Post: true, Tone: "danger"}}
	case r.State == backstay.Running && !r.Cancel:
		return []act{{Word: "Cancel run", Of: ": " + name, Href: "/activity/" + r.ID + "/cancel", Tone: "danger"}}
	case r.State.Ended() && r.State != backstay.Succeeded && r.Failure == nil:
		return []act{v.retryAct(r)}
	}
	return nil
}

func (v *visit) retryAct(r backstay.Run) act {
	return act{Word: "Try again", Icon: "run", Href: "/activity/" + r.ID + "/retry", Post: true}
}

// runFigures are the numbers of a run.
func (v *visit) runFigures(r backstay.Run) (all []fact) {
	f := r.Figures
	of := func(done, total string, known bool) html {
		text := html(done) //nolint:gosec // digits and units
		if known && r.State == backstay.Running {
			text += html(" <span>of " + total + "</span>") //nolint:gosec // digits and units
		}
		return text
	}
	if f.Bytes > 0 || f.TotalBytes > 0 {
		all = append(all, fact{Name: "Read", Text: of(bytesText(f.Bytes), bytesText(f.TotalBytes), f.TotalBytes > f.Bytes)})
	}
	if f.Files > 0 || f.TotalFiles > 0 {
		all = append(all, fact{Name: "Files", Text: of(countText(f.Files), countText(f.TotalFiles), f.TotalFiles > f.Files)})
	}
	if r.Kind == backstay.RunBackup && r.State.Ended() && f.Files > 0 {
		all = append(all, fact{Name: "New data", Text: bytesText(f.Added)}, fact{Name: "New or changed", Text: countText(f.New + f.Changed)}, fact{Name: "Stored", Text: bytesText(f.Stored)})
	}
	if r.Kind == backstay.RunForget && f.Changed > 0 {
		all = append(all, fact{Name: "Snapshots removed", Text: countText(f.Changed)})
	}
	if f.Lost > 0 {
		all = append(all, fact{Name: "Not read", Text: countText(f.Lost)})
	}
	end := v.App.Clock.Now()
	if r.EndedAt != nil {
		end = *r.EndedAt
	}
	if r.StartedAt != nil && f.Bytes > 0 {
		if took := end.Sub(*r.StartedAt); took >= time.Second {
			all = append(all, fact{Name: "Speed", Text: bytesText(int64(float64(f.Bytes)/took.Seconds())) + "/s"})
		}
	}
	return all
}

// runFacts are what else is so of a run.
func (v *visit) runFacts(r backstay.Run, known app.Known) (all []fact) {
	add := func(name string, text any) { all = append(all, fact{Name: name, Text: text}) }
	for _, id := range r.Sources {
		if s, ok := known.Sources[id]; ok {
			add("Source", linkTo(pathOf("source", id), s.Name))
		}
	}
	if p, ok := known.Plans[r.Plan]; ok {
		add("Plan", linkTo(pathOf("plan", r.Plan), p.Name))
	}
	for _, id := range r.Repositories {
		if s, ok := known.Repositories[id]; ok {
			add("Repository", linkTo(pathOf("repository", id), s.Name))
		}
	}
	if r.Type != "" {
		add("Type", upper(r.Type))
	}
	if r.Options.Level != "" {
		add("Reads", levelWords[r.Options.Level])
	}
	started := triggers[r.Trigger]
	if r.Trigger == "person" && r.Owner == v.who.User {
		started = "By you"
	}
	add("Started", started)
	if r.Attempt > 1 && r.RetryOf != "" {
		add("Attempt", html(countText(r.Attempt)+`, after <a href="/activity/`+r.RetryOf+`">the one before</a>`)) //nolint:gosec // an id of ours
	}
	add("Due", v.whenExact(r.DueAt))
	if r.StartedAt != nil {
		add("Begun", v.whenExact(*r.StartedAt))
	}
	switch {
	case r.State == backstay.Running && r.StartedAt != nil:
		add("Running for", spanText(v.App.Clock.Now().Sub(*r.StartedAt).Truncate(time.Second)))
	case r.EndedAt != nil:
		add("Ended", v.whenExact(*r.EndedAt))
		add("Took", spanText(r.Duration()))
	}
	if r.Kind == backstay.RunRestore && r.Options.Restore != "" && v.somewhere(backstay.PlanRestores) {
		add("Restore", linkTo(pathOf("restore", r.Options.Restore), "Its plan and result"))
	}
	return all
}

// levelWords say how much a verification reads.
var levelWords = map[string]string{"structure": "The structure", "sample": "A sample of the data", "full": "All data"}

// outcomeRows are what became of each source in each repository.
func outcomeRows(r backstay.Run, known app.Known) (rows []outcomeRow) {
	for _, o := range r.Outcomes {
		row := outcomeRow{Name: "A repository", State: pill{"ok", "ok", "Done", true}}
		if repository, ok := known.Repositories[o.Repository]; ok {
			row.Name, row.Href = repository.Name, pathOf("repository", o.Repository)
		}
		if s, ok := known.Sources[o.Source]; ok {
			row.Sub = s.Name
		}
		switch {
		case o.Failure != nil:
			row.State, row.Text, row.Code = pill{"fail", "fail", "Failed", true}, sentence(o.Failure.Text), o.Failure.Code
		case o.Unchanged && o.Snapshot != "":
			row.Text = "It has the snapshot " + o.Snapshot[:min(8, len(o.Snapshot))] + " already."
		case o.Unchanged:
			row.Text = "Nothing had changed, so no snapshot was made."
		case o.Snapshot != "":
			row.Text = "Snapshot " + o.Snapshot[:min(8, len(o.Snapshot))] + " was made."
		}
		rows = append(rows, row)
	}
	return rows
}

// retryRun begins a run once more.
func (v *visit) retryRun() error {
	again, err := v.App.RetryRun(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	return v.redirect("/activity/"+again.ID, "It is tried again.")
}

// askToCancelRun asks before work is lost.
func (v *visit) askToCancelRun() error {
	r, err := v.App.Runs.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	if r.State.Ended() {
		return v.redirect("/activity/"+r.ID, "It is over already.")
	}
	known, err := v.App.KnownOf(v.ctx, v.who, []backstay.Run{r})
	if err != nil {
		return err
	}
	name := runName(r, known)
	f := newForm("/activity/"+r.ID+"/cancel", "Cancel run", "/activity/"+r.ID)
	f.Danger = true
	return v.show("delete", deletePage{frame: v.frame("Cancel the run"), Heading: "Cancel: " + lowerFirst(name) + "?", Goes: lostByCancel(r.Kind), Back: f.Back, Form: f})
}

// lostByCancel says what becomes of the work of a run that is cancelled.
func lostByCancel(k backstay.RunKind) string {
	switch k {
	case backstay.RunBackup, backstay.RunServer, backstay.RunCopy:
		return "No snapshot is made. What was stored until now stays in the repository, so that the next run needs not store it again. Older snapshots are not touched."
	case backstay.RunRestore:
		return "Files that are restored by now stay as they are; the others are not restored. The snapshot is not touched."
	case backstay.RunVerification:
		return "What was verified until now does not count. Nothing is changed in the repository."
	}
	return "What was done until now stays. The rest is done by the next run of its kind; no data is harmed."
}

func (v *visit) cancelRun() error {
	r, err := v.App.CancelRun(v.ctx, v.who, v.id())
	var e *backstay.Error
	if errors.As(err, &e) && e.Kind == backstay.Conflict {
		return v.redirect("/activity/"+v.id(), "It was over already.")
	}
	if err != nil {
		return err
	}
	done := "It stops within seconds."
	if r.State.Ended() {
		done = "The run was cancelled."
	}
	return v.redirect("/activity/"+r.ID, done)
}

// runLive sends a run and what is new of its log while it is not over.
func (v *visit) runLive() error {
	after := int64(v.number("after", 0))
	if last := v.r.Header.Get("Last-Event-ID"); last != "" {
		after = wholeNumber(last)
	}
	feed, err := v.App.WatchRun(v.ctx, v.who, v.id(), after)
	if err != nil {
		return err
	}
	defer feed.Close()
	var known app.Known
	return v.liveStream(func(s *liveStream) error {
		for !s.isOld() {
			news, is, err := feed.Next(v.ctx)
			switch {
			case err != nil && v.ctx.Err() != nil:
				return errBroken
			case err != nil:
				return err
			case !is:
				if err := s.send("", s.last); err != nil {
					return err
				}
				continue
			}
			if known.Plans == nil {
				if known, err = v.App.KnownOf(v.ctx, v.who, []backstay.Run{news.Run}); err != nil {
					return err
				}
			}
			if after, err = v.sendRun(s, news, known, after); err != nil || news.Run.State.Ended() && !news.More {
				return err
			}
		}
		return errBroken
	})
}

// runNews is what a page that is open is told of a run.
type runNews struct {
	Run   runView
	Log   *logView // nil: it grows by itself
	Lines []logLine
	Jump  jump
}

func (v *visit) sendRun(s *liveStream, news app.RunNews, known app.Known, after int64) (int64, error) {
	view, err := v.runView(news.Run, known, true)
	if err != nil {
		return after, err
	}
	told := runNews{Run: view, Lines: v.logLines(news.Lines)}
	if n := len(news.Lines); n > 0 {
		after = news.Lines[n-1].Seq
	}
	if told.Jump, err = v.jumpTo(news); err != nil {
		return after, err
	}
	part, err := v.templates.part("run", "run-live", told)
	if err != nil {
		return after, err
	}
	return after, s.send(countless(after), part)
}

// errorPage explains an error by its code.
func (v *visit) errorPage() error {
	page, ok := v.explained(v.r.PathValue("code"))
	if !ok {
		return errNoPage
	}
	return v.answer(http.StatusOK, "error", page)
}
