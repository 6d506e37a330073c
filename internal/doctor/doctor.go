// Package doctor explains the errors that reach a person: what is wrong in plain words, what is still safe, and what to do next.
//
// An Entry is one explanation, with a code by which it is found in docs/errors.md and told to others. The list of them is entries.go, and
// the page is made from it. Find picks the entry of an error by the sentinels and types of the packages below, or by the name that
// somebody who knows more put on it (Mark). The invariant: a code, once given, keeps its meaning forever. An entry that is no longer
// needed stays, or its code is left out.
//
// It doesn't know what happened: the evidence is the message of the error and the log of the run.
package doctor

import (
	"errors"
	"slices"
	"strings"

	"github.com/backstay/backstay"
)

// Entry explains one error.
type Entry struct {
	Code  string   // BST-2001; the thousands tell the part that it is about
	Name  string   // the same as a word, in lower case with hyphens
	Title string   // what is wrong, without a full stop
	Cause string   // in plain words
	Safe  string   // what is not harmed by it
	Next  []Action // what to do, the likeliest first; at least one
	Guide string   // where docs tell more, such as guide/restore.md#section; may be ""
}

// Docs returns where the entry stands in the documents.
func (e Entry) Docs() string { return "errors.md#" + strings.ToLower(e.Code) }

// Action is something to do next.
type Action struct {
	Text string // a sentence
	Do   Do     // what a button does; may be ""
}

// Do names what a button or a link can do.
type Do string

// What can be done with a button.
const (
	Retry         Do = "retry"          // do the same again
	OpenLog       Do = "open-log"       // show the log of the run
	EnterPassword Do = "enter-password" // give the password of the repository
	ShowLocks     Do = "show-locks"     // show who holds locks
	Unlock        Do = "unlock"         // remove the locks of programs that ended
	Check         Do = "check"          // check the repository
	RepairIndex   Do = "repair-index"   // make the index anew
	FreeSpace     Do = "free-space"     // forget and prune
	TestStorage   Do = "test-storage"   // try out the storage
	EditStorage   Do = "edit-storage"   // change the settings of the storage
	EditSource    Do = "edit-source"    // change the settings of the source
	EditPlan      Do = "edit-plan"      // change the plan
	EditChannel   Do = "edit-channel"   // change the settings of the channel
	NewPlan       Do = "new-plan"       // make the plan of the restore or the prune anew
	SignIn        Do = "sign-in"        // sign in, or give a second factor again
	AskForRight   Do = "ask-for-right"  // ask somebody who can grant it
	Reload        Do = "reload"         // show what is there now
	VerifyAudit   Do = "verify-audit"   // check the audit trail
)

// Unexpected is the name of the entry of errors that have none.
const Unexpected = "unexpected"

// Entries returns all entries in the order of their codes.
func Entries() []Entry { return slices.Clone(entries) }

// Named returns the entry of a name, or that of Unexpected if there is no such name.
func Named(name string) Entry {
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Named(Unexpected)
	}
	return entries[i]
}

// Find returns the entry of an error that is not nil.
func Find(err error) Entry {
	if m, ok := errors.AsType[*marked](err); ok {
		return Named(m.name)
	}
	if e, ok := errors.AsType[*backstay.Error](err); ok && e.Code != "" {
		return told(e.Code)
	}
	for _, r := range rules() {
		if r.fits(err) {
			return Named(r.name)
		}
	}
	return Named(Unexpected)
}

// told returns the entry of a code that a server has given. One that is newer than this program keeps its code.
func told(code string) Entry {
	if e, ok := WithCode(code); ok {
		return e
	}
	e := Named(Unexpected)
	e.Code = code
	return e
}

// WithCode returns the entry of a code.
func WithCode(code string) (Entry, bool) {
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Code == code })
	if i < 0 {
		return Entry{}, false
	}
	return entries[i], true
}

// Mark returns an error with the same text and cause of which Find tells the entry of that name. It is for those who know what they
// were about where the error alone doesn't tell. A nil error stays nil.
func Mark(err error, name string) error {
	if err == nil {
		return nil
	}
	return &marked{err, name}
}

type marked struct {
	error
	name string
}

func (m *marked) Unwrap() error { return m.error }
