// Package web is the door for people: pages that the server renders, which work on a phone, by keyboard and, but for passkeys, without script.
//
// A page is a handler in the file of its noun and a template in pages/. The handler calls a use case with the Actor of the visit, puts what it
// got in the words of the page, and renders; it decides nothing. A form is sent by POST and ends in a redirect; one that is refused comes back
// with what was typed, but for secrets, and says what is wrong with which field. Nothing is inline: styles, script and icons are files in
// static/, and what is live comes as fragments in server-sent events.
package web

import (
	"log/slog"
	"net/http"

	"github.com/klauspost/compress/gzhttp"

	"github.com/backstay/backstay/internal/door"
)

// Options are what the pages are handed.
type Options struct {
	door.Identity
	Watches *door.Watches
	Log     *slog.Logger
	Version string // of the program
}

// Site is the door. It serves HTTP.
type Site struct {
	Options
	mux       *routes
	templates templates
	served    http.Handler
}

// New registers all pages.
func New(opt Options) *Site {
	s := &Site{Options: opt, mux: newRoutes()}
	s.register()
	s.served = compressed(s.mux)
	return s
}

// ServeHTTP answers a request. Whoever calls it has put the actor into the context: see door.Identity.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.served.ServeHTTP(w, r) }

// register lists every page.
func (s *Site) register() {
	s.registerOverview()
	s.registerActivity()
	s.registerAlerts()
	s.registerSettings()
	s.registerGate()
	s.registerIdentities()
	s.registerSecurity()
	s.registerProfile()
	s.registerSessions()
	s.registerTokens()
	s.registerHelp()
	s.registerOwnRules()
	s.registerPeople()
	s.registerGroups()
	s.registerRoles()
	s.registerGrants()
	s.registerProjects()
	s.registerMembers()
	s.registerAudit()
	s.registerSinks()
	s.registerChannels()
	s.registerRules()
	s.registerDeliveries()
	s.registerSignInProviders()
	s.registerServer()
	s.registerServerBackup()
	s.registerRestore()
	s.registerStorage()
	s.registerSources()
	s.registerModules()
	s.registerStart()
	s.registerPlans()
	s.registerSnapshots()
}

// compressed sends pages in fewer bytes. Streams of events go out as they are written.
func compressed(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.ContentTypes([]string{"text/html"}), gzhttp.MinSize(1024))
	if err != nil {
		panic(err) // the options above are right or wrong for good
	}
	return wrap(next)
}

// get registers a page for people who have signed in.
func (s *Site) get(path string, page func(*visit) error) {
	s.mux.Handle("GET "+path, s.known(page))
}

// post registers what a form does.
func (s *Site) post(path string, do func(*visit) error) {
	s.mux.Handle("POST "+path, s.known(do))
}

// known has a visit of somebody who has signed in answered; others are asked to.
func (s *Site) known(page func(*visit) error) http.Handler {
	return s.anybody(func(v *visit) error {
		if err := v.arrive(); err != nil {
			return err
		}
		return page(v)
	})
}

// anybody has a visit of whoever it is answered.
func (s *Site) anybody(page func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Site: s, w: w, r: r, ctx: r.Context(), who: door.Actor(r.Context())}
		if err := page(v); err != nil {
			v.fail(err)
		}
	})
}
