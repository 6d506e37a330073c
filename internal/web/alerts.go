package web

import (
	"cmp"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerAlerts registers the pages of alerts.
func (s *Site) registerAlerts() {
	s.get("/alerts", (*visit).alerts)
	s.get("/alerts/{id}", (*visit).alertPage)
	s.post("/alerts/{id}/acknowledge", (*visit).acknowledge)
}

// alertCard is something that somebody has to look at: what is so, since when, what is safe, and what to do.
type alertCard struct {
	ID, Tone, Icon string
	Title          string
	Since          html
	Text, Next     string
	Safe           string
	Taken          html // who takes care of it; "" for nobody
	Acts           []act
	CleanUp        []cleanUpRow
	Resolved       html // when; "" while it is open
}

// cleanUpRow is something that could be removed to free space.
type cleanUpRow struct {
	Name, Href string
	Time       html
	Frees      string
}

// alertWords are the words of a kind of alert: its title after the name of what it is about, and what is not harmed by it.
type alertWords struct{ title, safe string }

const oldOnesSafe = "Older snapshots are not touched."

var wordsOfAlerts = map[backstay.AlertKind]alertWords{
	backstay.AlertRunFailed:          {"the last backup did not succeed", oldOnesSafe},
	backstay.AlertBackupOverdue:      {"there is no recent backup", oldOnesSafe},
	backstay.AlertRunUnusual:         {"the last backup was unusual", oldOnesSafe + " The backup itself was made."},
	backstay.AlertScheduleMissed:     {"a backup was missed", oldOnesSafe},
	backstay.AlertVerificationFailed: {"the verification failed", "Nothing was changed. Snapshots that are not named as damaged can be restored."},
	backstay.AlertStorageLimit:       {"it holds more than it should", "Backups go on, and nothing is removed by itself for it."},
	backstay.AlertTokenExpiring:      {"this API token expires soon", "Until then it works as before."},
	backstay.AlertCertificate:        {"this certificate expires soon", "Backups do not depend on it."},
	backstay.AlertSinkFailing:        {"this receiver takes nothing of the audit trail", "The trail here is whole. What the receiver lacks is sent once it takes it."},
	backstay.AlertServerBackup:       {"the server has no recent backup of itself", "Your backups are not touched, and can be restored without the server."},
}

// alertsPage lists alerts.
type alertsPage struct {
	frame
	Heading, Lead string
	Mark          pill
	Open          []alertCard
	More          int // open ones that are not listed
	Resolved      table
	Empty         empty
}

// maxAlerts is how many open alerts stand on their page.
const maxAlerts = 100

func (v *visit) alerts() error {
	page := alertsPage{frame: v.frame("Alerts"), Heading: openAlertsText(v.desk.Alerts), Mark: pill{"ok", "ok", "", false}, Lead: "What needs somebody stands here until it is well again."}
	page.Empty = empty{Icon: "bell", Title: "No alerts yet", Text: "When a backup fails or is late, or a storage fills up, it stands here until it is well again."}
	if v.desk.Alerts > 0 {
		page.Mark = pill{"warn", "bell", "", false}
	}
	var err error
	if v.query("cursor") == "" {
		if page.Open, err = v.openAlerts(maxAlerts); err != nil {
			return err
		}
		page.More = max(0, v.desk.Alerts-len(page.Open))
	}
	l := v.list()
	l.Sort, l.Search, l.Filters = "-opened_at", "", map[string]string{"open": "false"}
	resolved, next, err := v.App.Alerts.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	page.Resolved = table{Label: "Resolved alerts", Columns: []column{{Title: "Alert"}, {Title: "Severity"}, {Title: "Opened"}, {Title: "Resolved"}}, Next: v.nextPage(next)}
	for _, a := range resolved {
		page.Resolved.Rows = append(page.Resolved.Rows, v.resolvedRow(a))
	}
	return v.show("alerts", page)
}

func openAlertsText(n int) string {
	switch n {
	case 0:
		return "Nothing needs attention"
	case 1:
		return "1 alert is open"
	}
	return countText(n) + " alerts are open"
}

func (v *visit) resolvedRow(a backstay.Alert) row {
	severity := severityPill(a.Severity)
	severity.Plain = true
	r := row{Name: alertTitle(a), Href: "/alerts/" + a.ID, Sub: a.Text, Cells: []cell{{Pill: &severity}, {Text: v.when(a.OpenedAt)}, {Text: ""}}}
	if a.ResolvedAt != nil {
		r.Cells[2].Text = v.when(*a.ResolvedAt)
	}
	return r
}

// openAlerts are the worst of the open alerts, of the same severity the oldest first.
func (v *visit) openAlerts(limit int) (cards []alertCard, err error) {
	all, _, err := v.App.Alerts.List(v.ctx, v.who, app.List{Limit: maxAlerts, Project: v.project(), Filters: map[string]string{"open": "true"}})
	if err != nil {
		return nil, err
	}
	worst := []backstay.Severity{backstay.SeverityCritical, backstay.SeverityError, backstay.SeverityWarning, backstay.SeverityInfo}
	slices.SortStableFunc(all, func(a, b backstay.Alert) int {
		return cmp.Or(slices.Index(worst, a.Severity)-slices.Index(worst, b.Severity), a.OpenedAt.Compare(b.OpenedAt))
	})
	for _, a := range all[:min(len(all), limit)] {
		cards = append(cards, v.alertCard(a))
	}
	return cards, nil
}

func alertTitle(a backstay.Alert) string {
	if a.Object == "server" || a.Kind == backstay.AlertServerBackup {
		return upper(wordsOfAlerts[a.Kind].title)
	}
	return a.Name + ": " + wordsOfAlerts[a.Kind].title
}

func (v *visit) alertCard(a backstay.Alert) alertCard {
	c := alertCard{ID: a.ID, Tone: "fail", Icon: "fail", Title: alertTitle(a), Since: v.when(a.OpenedAt), Text: sentence(a.Text), Next: sentence(a.Next), Safe: wordsOfAlerts[a.Kind].safe}
	switch a.Severity {
	case backstay.SeverityWarning:
		c.Tone, c.Icon = "warn", "warn"
	case backstay.SeverityInfo:
		c.Tone, c.Icon = "idle", "help"
	}
	for _, u := range a.CleanUp {
		r := cleanUpRow{Name: u.Name, Href: pathOf(u.Object, u.ID), Frees: bytesText(u.Bytes)}
		if !u.Time.IsZero() {
			r.Time = v.when(u.Time)
		}
		c.CleanUp = append(c.CleanUp, r)
	}
	if a.AcknowledgedAt != nil {
		who := "Somebody takes"
		if a.AcknowledgedBy == v.who.User {
			who = "You take"
		}
		c.Taken = html(who+" care of it since ") + v.when(*a.AcknowledgedAt) + "."
	}
	if a.ResolvedAt != nil {
		c.Resolved = v.when(*a.ResolvedAt)
	}
	c.Acts = v.alertActs(a)
	return c
}

// alertActs are the next thing to do about an alert, and to say that one does it.
func (v *visit) alertActs(a backstay.Alert) (acts []act) {
	if next, ok := v.nextAct(a); ok {
		next.Tone, next.Of = "primary", ": "+a.Name
		acts = append(acts, next)
	}
	if a.Open && a.AcknowledgedAt == nil && v.may(backstay.StartRuns, a.Scope, a.Owner) {
		acts = append(acts, act{Word: "I take care of it", Of: ": " + a.Name, Href: "/alerts/" + a.ID + "/acknowledge", Post: true, Tone: "quiet", Hidden: []sent{{"next", v.r.URL.Path}}})
	}
	return acts
}

func (v *visit) nextAct(a backstay.Alert) (act, bool) {
	switch a.Kind {
	case backstay.AlertRunFailed:
		return act{Word: "See what failed", Href: pathOf("run", a.Run)}, a.Run != ""
	case backstay.AlertVerificationFailed:
		return act{Word: "See what is damaged", Href: pathOf("run", a.Run)}, a.Run != ""
	case backstay.AlertRunUnusual:
		return act{Word: "Look at the run", Href: pathOf("run", a.Run)}, a.Run != ""
	case backstay.AlertBackupOverdue, backstay.AlertScheduleMissed:
		return act{Word: "Look at the plan", Href: pathOf("plan", a.Plan)}, a.Plan != ""
	case backstay.AlertStorageLimit:
		return act{Word: "Free space", Href: pathOf("storage", a.ObjectID)}, true
	case backstay.AlertTokenExpiring:
		return act{Word: "Go to your tokens", Href: "/settings/tokens"}, a.Owner == v.who.User
	case backstay.AlertCertificate:
		return act{Word: "See how the server is reached", Href: "/settings/server"}, v.somewhere(backstay.ManageSystem)
	case backstay.AlertSinkFailing:
		return act{Word: "Look at the receiver", Href: "/settings/sinks"}, v.somewhere(backstay.ReadAudit)
	case backstay.AlertServerBackup:
		return act{Word: "Look at the backup of the server", Href: "/settings/server-backup"}, v.somewhere(backstay.ManageSystem)
	}
	return act{}, false
}

// alertPage is the page of one alert, as messages name it.
type alertPage struct {
	frame
	Card alertCard
}

func (v *visit) alertPage() error {
	a, err := v.App.Alerts.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	return v.show("alert", alertPage{frame: v.frame(alertTitle(a)), Card: v.alertCard(a)})
}

func (v *visit) acknowledge() error {
	if _, err := v.App.AcknowledgeAlert(v.ctx, v.who, v.id()); err != nil {
		return err
	}
	return v.redirect(v.next(), "You take care of it. Nobody is reminded any more.")
}
