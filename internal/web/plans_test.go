package web_test

import (
	"maps"
	"net/http"
	"net/url"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

// planEntries are those of a plan that is accepted.
func (h home) planEntries(name string) url.Values {
	return url.Values{"project": {h.project}, "name": {name}, "sources": {h.source}, "repositories": {h.repository}, "active": {"true"}, "type": {"incremental"}, "compression": {"auto"}, "verify": {"structure"},
		"slow": {"wait"}, "retries": {"2"}, "schedule.rhythm": {"day"}, "schedule.at": {"02:30"}, "schedule.zone": {"UTC"}, "schedule.catch_up": {"true"}, "full_schedule.rhythm": {"hand"}, "retention.daily": {"14"}, "retention.weekly": {"8"}}
}

// with are entries of which one is another.
func with(form url.Values, name string, values ...string) url.Values {
	form = maps.Clone(form)
	form[name] = values
	return form
}

func TestAPlanIsMadeByAForm(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		has(t, page(t, c, "/plans"), "No plans yet", "Add a plan")
		h := furnish(t, c)
		form := page(t, c, "/plans/new?source="+h.source)
		has(t, form, `value="`+h.source+`" checked`, "Every day at 02:30", "After one year you can go back to", "Letters", "Main")
		good := h.planEntries(hostile)
		for name, wrong := range map[string]struct {
			form url.Values
			says string
		}{
			"no name":           {with(good, "name"), "The plan has no name."},
			"no source":         {with(good, "sources"), "backs up nothing"},
			"a time of no day":  {with(good, "schedule.at", "25:00"), "want a time of day such as 02:30"},
			"no weekday":        {with(good, "schedule.rhythm", "week"), "Want at least one, such as monday"},
			"a zone of nowhere": {with(good, "schedule.zone", "Nowhere/Land"), "want the IANA&#39;s name of a time zone"},
			"days of no month":  {with(with(good, "schedule.rhythm", "month"), "schedule.days", "the first"), "Enter days from 1 to 31, or last"},
			"a cron of no kind": {with(with(with(good, "schedule.rhythm", "own"), "schedule.interval", "cron"), "schedule.cron", "often"), "want five fields"},
			"a count of words":  {with(good, "retention.daily", "many"), "Enter a whole number, or unlimited."},
			"an age of words":   {with(good, "retention.within", "long"), "such as 1y6m or 10d"},
			"too many retries":  {with(good, "retries", "21"), "A number from 0 to 20 is needed."},
			"a type of no kind": {with(good, "type", "huge"), "is none of full, incremental, differential"},
			"a rate of words":   {with(good, "upload", "fast"), "f-upload-e"},
			"another's project": {with(good, "project", "elsewhere"), `role="alert"`},
		} {
			status := http.StatusUnprocessableEntity
			body := refused(t, c, status, "/plans", wrong.form)
			has(t, body, `role="alert"`, wrong.says)
			if t.Failed() {
				t.Fatalf("it was %s", name)
			}
		}
		to := send(t, c, "/plans", good)
		shown := page(t, c, to)
		has(t, shown, "&lt;script&gt;alert(1)&lt;/script&gt;", "Every day at 02:30, UTC", "14\u00a0daily, 8\u00a0weekly", "Run now", "It has not run yet.")
		hasNot(t, shown, hostile)
		has(t, page(t, c, "/plans"), "&lt;script&gt;", "Pause", "Letters to Main")

		send(t, c, to+"/edit", with(with(with(good, "schedule.rhythm", "week"), "schedule.weekdays", "monday", "friday"), "version", "1"))
		refused(t, c, http.StatusConflict, to+"/edit", with(good, "version", "1"))
		var plan struct {
			Schedule  struct{ Weekdays []string }
			Retention struct{ Daily string }
		}
		c.Get(t, "/plans/"+idAt(to), &plan)
		if len(plan.Schedule.Weekdays) != 2 || plan.Retention.Daily != "14" {
			t.Errorf("the plan is %+v", plan)
		}
		send(t, c, to+"/edit", with(good, "version", "2"))
		has(t, page(t, c, to), "Every day at 02:30")
		has(t, page(t, c, "/plans/new?from="+idAt(to)), "Copy of &lt;script&gt;")

		send(t, c, to+"/active", url.Values{"active": {"false"}})
		has(t, page(t, c, to), "is paused", "Inactive", "Resume")
		has(t, page(t, c, "/plans?active=true"), "Nothing found")
		has(t, page(t, c, to+"/delete"), "All snapshots that it made stay")
		send(t, c, to+"/delete", nil)
		has(t, page(t, c, "/plans"), "No plans yet")
	})
}

func TestAPlanSaysWhatIsEntered(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		h := furnish(t, c)
		words := func(path string, form url.Values) string {
			t.Helper()
			a := c.Page(t, http.MethodPost, path, form)
			if a.Status != http.StatusOK {
				t.Fatalf("POST %s = %d", path, a.Status)
			}
			return string(a.Body)
		}
		said := words("/plans/schedule-words?name=schedule", url.Values{"schedule.rhythm": {"month"}, "schedule.days": {"1, last"}, "schedule.at": {"04:00"}, "schedule.zone": {"Europe/Vienna"}})
		has(t, said, "On the 1st and last day of each month at 04:00, Europe/Vienna.", "(yours:", "<li><time")
		hasNot(t, said, "<html", "runs as soon")
		has(t, words("/plans/schedule-words?name=schedule", url.Values{"schedule.rhythm": {"day"}, "schedule.at": {"4"}}), "It can't be started so.", "want a time of day")
		daily := url.Values{"schedule.rhythm": {"day"}, "schedule.at": {"04:00"}, "retention.daily": {"7"}, "retention.monthly": {"6"}}
		has(t, words("/plans/retention-words?name=retention", daily), "of 365.", "Daily: 7.", `<path class="b-k"`, "Monthly")
		has(t, words("/plans/retention-words?name=retention", with(with(daily, "retention.daily"), "retention.monthly")), "Every snapshot is kept.")
		hourly := with(with(with(daily, "schedule.rhythm", "own"), "schedule.interval", "5m"), "retention.daily", "unlimited")
		hasNot(t, words("/plans/retention-words?name=retention", hourly), "<html")

		plan := h.plan(t, c, "By hand")
		for _, text := range []string{"one", "two", "three"} {
			write(t, h.folder+"/letter.txt", text)
			h.back(t, c, plan)
		}
		said = words("/plans/retention-words?name=retention&plan="+plan, url.Values{"schedule.rhythm": {"hand"}, "retention.last": {"1"}})
		has(t, said, "Of the 3\u00a0snapshots that there are, 2 go after the next backup.", "Which ones go", h.folder)
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+h.project)
		short := with(h.planEntries("By hand"), "retention.last", "1")
		has(t, refused(t, viewer, http.StatusForbidden, "/plans/"+plan+"/edit", short), "You may not")
	})
}

func TestWhoMayNotChangePlansSeesNoButtonForIt(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		h := furnish(t, s.Owner)
		plan := h.plan(t, s.Owner, "Nightly")
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+h.project)
		for _, path := range []string{"/plans", "/plans/" + plan} {
			hasNot(t, main(page(t, viewer, path)), "Run now", "/active", "Change", "/delete", "Add a plan")
		}
		operator := s.Person(t, "Olaf Operator", "operator", "/project/"+h.project)
		has(t, page(t, operator, "/plans/"+plan), "Run now")
		hasNot(t, main(page(t, operator, "/plans/"+plan)), "/active", "Change", "/delete")
		for path, form := range map[string]url.Values{"": h.planEntries("Mine"), "/" + plan + "/edit": h.planEntries("Mine"), "/" + plan + "/active": {"active": {"false"}}, "/" + plan + "/delete": nil} {
			refused(t, viewer, http.StatusForbidden, "/plans"+path, form)
			refused(t, operator, http.StatusForbidden, "/plans"+path, form)
		}
		refused(t, viewer, http.StatusForbidden, "/plans/"+plan+"/start", nil)
		refused(t, operator, http.StatusUnprocessableEntity, "/plans/"+plan+"/start", url.Values{"type": {"huge"}})
		stranger := s.Person(t, "Sam Stranger", "viewer", "/project/"+project(t, s.Owner, "Elsewhere"))
		for _, path := range []string{"/plans/" + plan, "/plans/" + plan + "/edit", "/plans/new?from=" + plan, "/plans/new?source=" + h.source} {
			if a := stranger.Page(t, http.MethodGet, path, nil); a.Status != http.StatusNotFound {
				t.Errorf("GET %s of somebody from elsewhere = %d", path, a.Status)
			}
		}
		has(t, page(t, stranger, "/plans"), "No plans yet")
	})
}
