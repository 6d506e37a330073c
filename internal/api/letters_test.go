package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// ticketOf finds the ticket in a mail, whose long lines are folded.
func ticketOf(t *testing.T, s *servertest.Server, mail string) string {
	t.Helper()
	found := regexp.MustCompile(regexp.QuoteMeta(s.URL) + `/link#([\w-]{43})`).FindStringSubmatch(strings.ReplaceAll(mail, "=\r\n", ""))
	if found == nil {
		t.Fatalf("there is no link in the mail:\n%s", mail)
	}
	return found[1]
}

func mailSettings(port string) map[string]string {
	return map[string]string{"host": "127.0.0.1", "port": port, "security": "none", "from": "backup@example.org", "to": "admins@example.org"}
}

// newMailer sets up the channel for links, and returns what it has sent.
func newMailer(t *testing.T, s *servertest.Server) (mails func() []string, channel string) {
	t.Helper()
	port, mails := postOffice(t)
	var made struct{ ID string }
	s.Owner.Post(t, "/channels", map[string]any{"name": "Mail", "kind": "email", "links": true, "settings": mailSettings(port)}, &made)
	return mails, made.ID
}

// newPerson makes an account that has no password yet.
func newPerson(t *testing.T, s *servertest.Server, name string) (id string) {
	t.Helper()
	var u struct{ ID string }
	s.Owner.Post(t, "/users", map[string]string{"name": name, "email": strings.ToLower(name) + "@example.org"}, &u)
	return u.ID
}

type madeLink struct {
	Ticket string
	Mailed bool
}

func choose(t *testing.T, s *servertest.Server, ticket, password string) servertest.Answer {
	t.Helper()
	return s.Client(t).Ask(t, http.MethodPost, "/link", map[string]string{"ticket": ticket, "password": password})
}

func TestAnInvitationIsMailedToItsPersonAlone(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		bob := newPerson(t, s, "Bob")
		var link madeLink
		if s.Owner.Post(t, "/users/"+bob+"/link", nil, &link); link.Mailed || link.Ticket == "" {
			t.Errorf("without a channel the link is %+v, want it shown", link)
		}
		mails, _ := newMailer(t, s)
		link = madeLink{}
		if s.Owner.Post(t, "/users/"+bob+"/link", nil, &link); !link.Mailed || link.Ticket != "" {
			t.Errorf("with a channel the link is %+v, want it mailed and not shown", link)
		}
		soon(t, "the mail", func() bool { return len(mails()) == 1 })
		mail := mails()[0]
		if !strings.Contains(mail, "To: <bob@example.org>") || strings.Contains(mail, "admins@example.org") {
			t.Errorf("the mail goes elsewhere:\n%s", mail)
		}
		ticket := ticketOf(t, s, mail)
		var queue struct {
			Items []struct{ To, State, Subject string }
		}
		soon(t, "the record of it", func() bool {
			s.Owner.Get(t, "/deliveries", &queue)
			return len(queue.Items) == 1 && queue.Items[0].State == "sent"
		})
		if queue.Items[0].To != "bob@example.org" || strings.Contains(string(s.Owner.Ask(t, http.MethodGet, "/deliveries", nil).Body), ticket) {
			t.Errorf("the queue has %+v", queue.Items)
		}
		for _, file := range []string{"backstay.db", "backstay.db-wal"} {
			if text, _ := os.ReadFile(filepath.Join(s.Data, file)); strings.Contains(string(text), ticket) {
				t.Errorf("%s has the ticket", file)
			}
		}
		if got := choose(t, s, ticket, servertest.Password); got.Status != http.StatusCreated {
			t.Errorf("the mailed link = %d %s", got.Status, got.Body)
		}
		choose(t, s, ticket, servertest.Password).Refused(t, http.StatusNotFound, "not-found")

		link = madeLink{}
		if s.Owner.Post(t, "/users/"+bob+"/link?show=true", nil, &link); link.Mailed || link.Ticket == "" {
			t.Errorf("a link that is to be shown is %+v", link)
		}
		if time.Sleep(3 * time.Second); len(mails()) != 1 {
			t.Error("a link that was shown is mailed as well")
		}
	})
}

func TestWhoForgotTheirPasswordIsMailedALinkAndNobodyLearnsWhoIsThere(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		const forgotten = "/session/forgotten"
		ask := func(email string) servertest.Answer {
			t.Helper()
			return s.Client(t).Ask(t, http.MethodPost, forgotten, map[string]string{"email": email})
		}
		ask("bob@example.org").Refused(t, http.StatusConflict, "conflict")
		bob := s.Person(t, "Bob", "viewer", "/")
		gone := newPerson(t, s, "Gone")
		s.Owner.Patch(t, "/users/"+gone, map[string]any{"disabled": true}, nil)
		mails, _ := newMailer(t, s)

		known, unknown, disabled := ask("Bob@example.org"), ask("nobody@example.org"), ask("gone@example.org")
		for _, other := range []servertest.Answer{unknown, disabled} {
			if known.Status != http.StatusAccepted || other.Status != known.Status || string(other.Body) != string(known.Body) || !slices.Equal(names(other.Header), names(known.Header)) {
				t.Errorf("a known address is answered %d %q %v, another %d %q %v", known.Status, known.Body, names(known.Header), other.Status, other.Body, names(other.Header))
			}
		}
		soon(t, "the mail", func() bool { return len(mails()) == 1 })
		if time.Sleep(3 * time.Second); len(mails()) != 1 || !strings.Contains(mails()[0], "To: <bob@example.org>") {
			t.Errorf("mails = %q, want one to Bob", mails())
		}
		const another = "another-lantern-in-the-harbour-7"
		ticket := ticketOf(t, s, mails()[0])
		if got := choose(t, s, ticket, another); got.Status != http.StatusCreated {
			t.Fatalf("the link = %d %s", got.Status, got.Body)
		}
		bob.Ask(t, http.MethodGet, "/profile", nil).Refused(t, http.StatusUnauthorized, "sign-in") // his sessions ended
		s.Client(t).Ask(t, http.MethodPost, "/session", map[string]string{"email": "bob@example.org", "password": servertest.Password}).Refused(t, http.StatusUnauthorized, "sign-in")
		s.Client(t).Post(t, "/session", map[string]string{"email": "bob@example.org", "password": another}, nil)

		for _, email := range []string{"bob@example.org", "nobody@example.org"} {
			ask(email)
			ask(email)
			ask(email).Refused(t, http.StatusTooManyRequests, "too-many") // the fourth within an hour
		}
		soon(t, "the other mails", func() bool { return len(mails()) == 3 })
		ask("a@example.org")
		ask("c@example.org") // the tenth that was taken, of this machine
		for range 3 {
			if ask("d@example.org").Status == http.StatusTooManyRequests {
				return
			}
		}
		t.Error("one machine asks without an end")
	})
}

// names are those of the headers.
func names(h http.Header) []string {
	var all []string
	for name := range h {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func TestOnlyWhoManagesPeopleSaysByWhichChannelLinksAreMailed(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		manager := s.Person(t, "Max", "backup-manager", "/")
		port, _ := postOffice(t)
		body := map[string]any{"name": "Mine", "kind": "email", "links": true, "settings": mailSettings(port)}
		manager.Ask(t, http.MethodPost, "/channels", body).Refused(t, http.StatusForbidden, "denied")
		var mine struct{ ID string }
		body["links"] = false
		manager.Post(t, "/channels", body, &mine)
		manager.Ask(t, http.MethodPatch, "/channels/"+mine.ID, map[string]any{"links": true}).Refused(t, http.StatusForbidden, "denied")
		_, channel := newMailer(t, s)
		manager.Ask(t, http.MethodPatch, "/channels/"+channel, map[string]any{"settings": mailSettings("9")}).Refused(t, http.StatusForbidden, "denied")
		s.Owner.Ask(t, http.MethodPost, "/channels", map[string]any{"name": "Hook", "kind": "webhook", "links": true, "settings": map[string]string{"url": "https://example.org", "secret": hookSecret}}).
			Refused(t, http.StatusUnprocessableEntity, "invalid")
	})
}

// TestWhoSetsTheMailUpGetsNoAccountWithMoreRights is about a system administrator who has the mails sent to a server of their own.
func TestWhoSetsTheMailUpGetsNoAccountWithMoreRights(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		admin := s.Person(t, "Sam Admin", "system-admin", "/")
		s.Person(t, "Ruth", "restorer", "/")
		s.Person(t, "Vera", "viewer", "/")
		mails, channel := newMailer(t, s)
		var mine struct {
			LinksBy string `json:"links_by"`
		}
		var me struct{ ID string }
		admin.Get(t, "/profile", &me)
		if admin.Patch(t, "/channels/"+channel, map[string]any{"name": "Mine"}, &mine); mine.LinksBy != me.ID {
			t.Errorf("%q vouches for the channel, want the one who changed it last", mine.LinksBy)
		}
		for _, email := range []string{"ada@example.org", "ruth@example.org", "vera@example.org"} {
			if got := s.Client(t).Ask(t, http.MethodPost, "/session/forgotten", map[string]string{"email": email}); got.Status != http.StatusAccepted {
				t.Errorf("%s is answered %d %s", email, got.Status, got.Body)
			}
		}
		soon(t, "the mail", func() bool { return len(mails()) > 0 })
		if time.Sleep(5 * time.Second); len(mails()) != 1 || !strings.Contains(mails()[0], "To: <vera@example.org>") {
			t.Errorf("mails = %q, want one to Vera, who may no more than the administrator", mails())
		}
		var owner struct{ ID string }
		var link madeLink
		s.Owner.Get(t, "/profile", &owner)
		if s.Owner.Post(t, "/users/"+owner.ID+"/link", nil, &link); link.Mailed || link.Ticket == "" {
			t.Errorf("a link for the owner is %+v, want it shown to who made it", link)
		}
	})
}

func TestALinkForAForgottenPasswordIsGoodForAnHour(t *testing.T) {
	c := &ahead{}
	s := servertest.Start(t, server.Options{Clock: c}).Claim(t)
	mails, _ := newMailer(t, s)
	s.Client(t).Post(t, "/session/forgotten", map[string]string{"email": "ada@example.org"}, nil)
	soon(t, "the mail", func() bool { return len(mails()) == 1 })
	ticket := ticketOf(t, s, mails()[0])
	c.by.Add(int64(time.Hour))
	choose(t, s, ticket, servertest.Password).Refused(t, http.StatusNotFound, "not-found")
}

func TestALinkEndsWhenTheAddressThatItWasMailedToChanges(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		bob := newPerson(t, s, "Bob")
		var link madeLink
		s.Owner.Post(t, "/users/"+bob+"/link", nil, &link)
		s.Owner.Patch(t, "/users/"+bob, map[string]string{"name": "Robert"}, nil)
		s.Owner.Patch(t, "/users/"+bob, map[string]string{"email": "robert@example.org"}, nil)
		choose(t, s, link.Ticket, servertest.Password).Refused(t, http.StatusNotFound, "not-found")
		s.Owner.Post(t, "/users/"+bob+"/link", nil, &link)
		s.Owner.Patch(t, "/users/"+bob, map[string]string{"name": "Rob"}, nil)
		if got := choose(t, s, link.Ticket, servertest.Password); got.Status != http.StatusCreated {
			t.Errorf("the link after the name was changed = %d %s", got.Status, got.Body)
		}
	})
}
