package web

import (
	"net/http"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/doctor"
	"github.com/backstay/backstay/internal/door"
)

// keysCookie says that shortcuts of one key are off.
const keysCookie = "backstay-keys"

// registerHelp registers the page that helps, also those who can't sign in.
func (s *Site) registerHelp() {
	s.open("GET /help", (*visit).help)
	s.open("POST /help/keys", (*visit).switchKeys)
}

// helpPage explains.
type helpPage struct {
	frame
	Keys   []shortcut
	Words  []term
	Kit    bool           // the person may get the recovery kit
	Errors []doctor.Entry // for those who can look at their pages
}

// shortcut is what keys do.
type shortcut struct {
	Keys []string // pressed one after the other
	Does string
	One  bool // each is a single key, without another one held
}

// term is a word of Backstay.
type term struct{ Word, Means string }

var shortcuts = []shortcut{
	{[]string{"/"}, "Search", true},
	{[]string{"Ctrl+K"}, "Search; on a Mac with Command", false},
	{[]string{"g", "o"}, "Go to the overview", true},
	{[]string{"g", "s"}, "Go to the sources", true},
	{[]string{"g", "p"}, "Go to the plans", true},
	{[]string{"g", "r"}, "Go to restore", true},
	{[]string{"g", "a"}, "Go to the activity", true},
	{[]string{"g", "t"}, "Go to the storage", true},
	{[]string{"?"}, "Show this list", true},
}

var terms = []term{
	{"Source", "What is protected, such as the files of a machine."},
	{"Module", "A named part of a source, such as some of its folders."},
	{"Storage", "A place that holds repositories: a folder, a server, a cloud."},
	{"Repository", "Where snapshots are kept in a storage, encrypted by a password, in the format of restic."},
	{"Plan", "What is backed up, to where, when, and how long it is kept."},
	{"Run", "One time that something was done: a backup, a restore, a verification."},
	{"Snapshot", "A source as it was at one moment. It never changes."},
	{"Retention", "The rules of which snapshots are kept. What no rule keeps is removed."},
	{"Verification", "Reading a repository to see that what is in it is intact."},
	{"Restore plan", "The list of all that a restore will change, to look at before anything is."},
	{"Protected", "A snapshot that no rule removes."},
	{"Alert", "Something that is wrong until somebody, or time, has put it right."},
	{"Channel", "A way to tell people: mail, text message, chat."},
	{"Recovery kit", "What you need to restore without this server: locations and passwords."},
	{"Project", "Sources, plans, storages and people that belong together."},
	{"Audit trail", "Who did what, when, and with what result. Nobody can change it unseen."},
}

func (v *visit) help() error {
	page := helpPage{Keys: shortcuts, Words: terms}
	if door.IsSignedIn(v.ctx) && !v.who.Limited {
		if err := v.arrive(); err != nil {
			return err
		}
		page.Errors, page.Kit = doctor.Entries(), v.somewhere(backstay.ExportRecoveryKit)
	}
	page.frame = v.frame("Help")
	return v.show("help", page)
}

// switchKeys has shortcuts of one key off or on again: who speaks to the machine, or has a trembling hand, presses them unwillingly.
func (v *visit) switchKeys() error {
	value := "off"
	if v.shown(keysCookie) == value {
		value = ""
	}
	v.setCookie(keysCookie, value, 400*24*time.Hour)
	http.Redirect(v.w, v.r, "/help#keys", http.StatusSeeOther)
	return nil
}
