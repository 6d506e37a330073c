package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

const auditPath = "/settings/audit"

// registerAudit registers the pages of the audit trail.
func (s *Site) registerAudit() {
	s.get(auditPath, func(v *visit) error { return v.showAudit(nil, "") })
	s.post(auditPath+"/verify", verifyAudit)
	s.get(auditPath+"/{seq}", auditEvent)
}

// auditPage is the trail, the newest event first.
type auditPage struct {
	frame
	Lead    string
	Tabs    []tab
	Acts    []act
	Verdict *notice
	Head    string // signed, to be kept elsewhere
	Filters []*field
	Asked   bool // for some events only
	Keep    []sent
	Several []tab // people who are called as was asked for
	Table   table
}

// auditFamilies are the actions that can be looked for, as they begin.
var auditFamilies = []choice{
	{Title: "Anything"}, {Value: "access.denied", Title: "Refusals"}, {Value: "auth.", Title: "Signing in"}, {Value: "user.", Title: "People"}, {Value: "group.", Title: "Groups"},
	{Value: "role.", Title: "Roles"}, {Value: "grant.", Title: "Rights"}, {Value: "project.", Title: "Projects"}, {Value: "source.", Title: "Sources"}, {Value: "module.", Title: "Modules"},
	{Value: "storage.", Title: "Storages"}, {Value: "repository.", Title: "Repositories"}, {Value: "plan.", Title: "Plans"}, {Value: "run.", Title: "Runs"}, {Value: "snapshot.", Title: "Snapshots"},
	{Value: "restore.", Title: "Restores"}, {Value: "alert.", Title: "Alerts"}, {Value: "channel.", Title: "Channels"}, {Value: "notification-rule.", Title: "Notification rules"},
	{Value: "identity-provider.", Title: "Sign-in providers"}, {Value: "audit-sink.", Title: "Receivers of the trail"}, {Value: "audit.", Title: "The trail itself"},
	{Value: "config.", Title: "Settings of the server"}, {Value: "server.", Title: "Backups of the server"}, {Value: "clock.", Title: "Clock of the server"}, {Value: "recoverykit.", Title: "Recovery kits"},
}

var auditResults = []choice{{Title: "Any"}, {Value: "allowed", Title: "Done"}, {Value: "denied", Title: "Denied"}, {Value: "failed", Title: "Failed"}}

// showAudit shows the events that the address asks for; after a verification with what it found.
func (v *visit) showAudit(verdict *notice, head string) error {
	page := auditPage{frame: v.frame("Audit trail"), Tabs: v.settingsTabs(), Verdict: verdict, Head: head}
	page.Asked = v.filtered("who", "actor", "action", "result", "object", "since", "until")
	q, err := v.auditQuery(&page)
	if err != nil {
		return err
	}
	events, err := v.App.AuditEvents(v.ctx, v.who, q)
	if err != nil {
		return err
	}
	page.Lead = "Who did what, to which thing, with what result. Events are never changed: each carries the hash of the one before."
	if v.may(backstay.ReadAudit, backstay.System, "") {
		page.Acts = append(page.Acts, act{Word: "Check the whole trail now", Icon: "shield", Href: auditPath + "/verify", Post: true})
	}
	if v.may(backstay.ExportAudit, backstay.Everywhere, "") {
		page.Acts = append(page.Acts, act{Word: "Export CSV", Icon: "download", Href: "/api/v1/audit-events/export?format=csv"}, act{Word: "Export JSON", Icon: "download", Href: "/api/v1/audit-events/export?format=jsonl"})
	}
	page.Table = v.auditTable(events)
	if len(events) == q.Limit {
		page.Table.Next = v.with("before", strconv.FormatInt(events[len(events)-1].Seq, 10))
	}
	return v.show("audit", page)
}

// auditQuery is what the address asks for. Its form is filled in on the page.
func (v *visit) auditQuery(page *auditPage) (q app.AuditQuery, err error) {
	q = app.AuditQuery{Limit: pageSize, Actor: v.query("actor"), Action: v.query("action"), ObjectID: v.query("object"), Project: v.project(), Result: backstay.Result(v.query("result"))}
	q.Before = int64(v.number("before", 0))
	q.Since, q.Until = v.dayAsked("since", 0), v.dayAsked("until", 1)
	who := &field{Name: "who", Title: "Who", Kind: textField, Value: v.query("who"), Optional: true, Help: "Name or e-mail"}
	page.Filters = []*field{
		{Name: "action", Title: "What", Kind: selectField, Value: q.Action, Choices: auditFamilies},
		{Name: "result", Title: "Result", Kind: selectField, Value: string(q.Result), Choices: auditResults},
		{Name: "since", Title: "From", Kind: dateField, Value: v.query("since"), Optional: true},
		{Name: "until", Title: "To", Kind: dateField, Value: v.query("until"), Optional: true},
	}
	for _, name := range []string{"object", "actor"} {
		if value := v.query(name); value != "" && (name != "actor" || who.Value == "") {
			page.Keep = append(page.Keep, sent{name, value})
		}
	}
	if !v.somewhere(backstay.ReadUsers) {
		return q, nil
	}
	if q.Actor != "" && who.Value == "" {
		who.Value = v.names().person(q.Actor)
		page.Keep = nil
	}
	page.Filters = append([]*field{who}, page.Filters...)
	if who.Value != "" && q.Actor == "" {
		q.Actor, err = v.personCalled(who.Value, page)
	}
	return q, err
}

// dayAsked is when a day of the address begins where the person is, some days later.
func (v *visit) dayAsked(name string, later int) time.Time {
	day, err := time.ParseInLocation(time.DateOnly, v.query(name), v.zone)
	if err != nil {
		return time.Time{}
	}
	return day.AddDate(0, 0, later)
}

// personCalled is the id of somebody by their name or e-mail. Where several are called so, the page lets one of them be chosen.
func (v *visit) personCalled(who string, page *auditPage) (id string, err error) {
	l := app.List{Limit: 10, Sort: "name", Search: who}
	if strings.Contains(who, "@") {
		l.Search, l.Filters = "", map[string]string{"email": who}
	}
	people, _, err := v.App.Users.List(v.ctx, v.who, l)
	if err != nil || len(people) == 0 {
		return "nobody", err // whom no event is of
	}
	if len(people) > 1 && !strings.EqualFold(people[0].Name, who) {
		for _, u := range people {
			page.Several = append(page.Several, tab{Href: v.with("actor", u.ID), Word: u.Name})
		}
	}
	return people[0].ID, nil
}

// resultPill is how an action ended.
func resultPill(r backstay.Result) *pill {
	switch r {
	case backstay.ResultDenied:
		return &pill{"warn", "lock", "Denied", true}
	case backstay.ResultFailed:
		return &pill{"fail", "fail", "Failed", true}
	}
	return &pill{"ok", "ok", "Done", true}
}

// auditTable are some events, each with the way to it.
func (v *visit) auditTable(events []backstay.AuditEvent) table {
	t := table{Label: "Events", Columns: []column{{Title: "What"}, {Title: "Result"}, {Title: "Who"}, {Title: "Thing"}, {Title: "When"}},
		Empty: &empty{Icon: "report", Title: "No events", Text: "Nothing that you may see was so.", Acts: []act{{Word: "Show all", Href: auditPath}}}}
	for _, e := range events {
		t.Rows = append(t.Rows, row{Name: actionWords(e.Action), Sub: e.Action, Href: auditPath + "/" + strconv.FormatInt(e.Seq, 10),
			Cells: []cell{{Pill: resultPill(e.Result)}, {Text: actorWords(e), Sub: e.IP}, {Text: thingWords(e)}, {Text: v.whenExact(e.Time)}}})
	}
	return t
}

// actionWords says an action in words: "plan.updated" is "Plan updated".
func actionWords(action string) string {
	family, verb, _ := strings.Cut(action, ".")
	words := family + " " + verb
	switch family {
	case "auth":
		words = verb
	case "config":
		words = "settings " + verb
	case "user":
		words = "person " + verb
	}
	return upper(strings.ReplaceAll(words, "-", " "))
}

// actorWords is who did something.
func actorWords(e backstay.AuditEvent) string {
	switch {
	case e.ActorKind == backstay.ActorSystem:
		return "The server"
	case e.ActorName == "":
		return "Nobody who had signed in"
	case e.Token != "":
		return e.ActorName + ", by a token"
	}
	return e.ActorName
}

// thingWords is what something was done to.
func thingWords(e backstay.AuditEvent) string {
	kind := upper(strings.ReplaceAll(e.Object, "-", " "))
	if e.Object == "user" {
		kind = "Person"
	}
	if e.Name == "" {
		return kind
	}
	return kind + " " + e.Name
}

// verifyAudit reads the whole trail, says whether it is whole, and shows the signed head of it.
func verifyAudit(v *visit) error {
	report, err := v.App.VerifyAudit(v.ctx, v.who, nil)
	if err != nil {
		return err
	}
	if report.Problem != nil {
		return v.showAudit(&notice{Tone: "fail", Icon: "fail", Fact: "The trail is not whole.", Text: sentence(report.Problem.Text) + " What was read before it, " + counted(int64(report.Entries), "event", "events") + ", is as it was written."}, "")
	}
	head, err := v.App.AuditHead(v.ctx, v.who)
	if err != nil {
		return err
	}
	text, err := indented(head)
	if err != nil {
		return err
	}
	return v.showAudit(&notice{Tone: "ok", Icon: "shield", Fact: "The trail is whole.", Text: "All " + counted(int64(report.Entries), "event", "events") + " are there, in their order, and as they were written. It is signed up to event " +
		strconv.FormatUint(head.Seq, 10) + "."}, text)
}

// eventPage is one event, with what it changed.
type eventPage struct {
	frame
	Heading, Lead string
	Result        *pill
	Facts         []fact
	Acts          []act
	Changes       []fieldChange
	Same          []fieldChange
	Hash          string
}

// auditEvent is the page of one event.
func auditEvent(v *visit) error {
	seq, err := strconv.ParseInt(v.r.PathValue("seq"), 10, 64)
	if err != nil || seq < 1 {
		return errNoPage
	}
	found, err := v.App.AuditEvents(v.ctx, v.who, app.AuditQuery{Before: seq + 1, Limit: 1})
	if err != nil {
		return err
	}
	if len(found) == 0 || found[0].Seq != seq {
		return backstay.Errorf(backstay.NotFound, "there is no event %d that you may see", seq)
	}
	e := found[0]
	page := eventPage{frame: v.frame(actionWords(e.Action)), Heading: actionWords(e.Action), Result: resultPill(e.Result), Facts: v.eventFacts(e), Hash: e.Hash}
	if page.Lead = actorWords(e) + ", " + thingWords(e); thingWords(e) == "" {
		page.Lead = actorWords(e)
	}
	if page.Changes, page.Same, err = changesOf(e.Before, e.After); err != nil {
		return err
	}
	n := v.names()
	n.inWords(page.Changes)
	n.inWords(page.Same)
	if e.ObjectID != "" {
		page.Acts = append(page.Acts, act{Word: "All events of this thing", Icon: "report", Href: address(auditPath, queryOf("object", e.ObjectID))})
	}
	if e.Actor != "" {
		page.Acts = append(page.Acts, act{Word: "All they did", Icon: "people", Href: address(auditPath, queryOf("actor", e.Actor))})
	}
	return v.answer(http.StatusOK, "event", page)
}

// eventFacts are what an event says beside what was changed.
func (v *visit) eventFacts(e backstay.AuditEvent) (facts []fact) {
	facts = []fact{{Name: "When", Text: v.whenExact(e.Time)}, {Name: "Number", Text: countText(e.Seq)}}
	add := func(name, text string) {
		if text != "" {
			facts = append(facts, fact{Name: name, Text: text})
		}
	}
	add("Why", e.Reason)
	add("Action", e.Action)
	add("Who", actorWords(e))
	if e.ActorKind == backstay.ActorUser || e.ActorKind == backstay.ActorToken {
		how := map[string]string{"password": "by password", "passkey": "by passkey", "oidc": "by another server", "token": "by an API token"}[e.Method]
		if e.MFA {
			how += ", with a second factor"
		}
		add("Signed in", how)
	}
	add("Thing", thingWords(e))
	if e.Project != "" {
		add("Project", v.names().project(e.Project))
	}
	add("From", e.IP)
	add("Program", shortened(e.UserAgent, 200))
	add("Request", e.Request)
	add("Run", e.Run)
	return facts
}
