package web

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/doctor"
	"github.com/backstay/backstay/internal/door"
)

// visit is one request of a person.
type visit struct {
	*Site
	w    http.ResponseWriter
	r    *http.Request
	ctx  context.Context
	who  backstay.Actor
	desk app.Desk
	zone *time.Location

	called   *names // what things are called, as far as it was looked up
	unproved string // why what was to confirm that it is the person does not
}

// The cookies that pages set beside the session's. They hold no secrets.
const (
	projectCookie = "backstay-project" // the id of the project that is looked at; none: all of them
	toastCookie   = "backstay-toast"   // what the next page says was done
	pausedCookie  = "backstay-paused"  // nothing is live
)

const (
	maxForm = 1 << 20 // bytes
	// What a form carries to confirm that it is the person.
	confirmField = "confirm-secret"
)

// arrive finds out whose visit it is, and confirms that it is them if the form says how.
func (v *visit) arrive() error {
	if v.who.Kind == backstay.ActorNobody {
		return backstay.Errorf(backstay.SignIn, "nobody is signed in")
	}
	err := v.parse()
	if err != nil {
		return err
	}
	if v.desk, err = v.App.Desk(v.ctx, v.who, v.project()); err != nil {
		return err
	}
	v.zone = zoneOf(v.desk.User)
	if err := v.confirm(); err != nil {
		return err
	}
	if v.who.Limited && !slices.ContainsFunc(setUpPages, func(p string) bool { return strings.HasPrefix(v.r.URL.Path, p) }) {
		return errLimited
	}
	return nil
}

// parse reads the form that was sent, if one was.
func (v *visit) parse() error {
	if v.r.Method != http.MethodPost {
		return nil
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return backstay.Errorf(backstay.Invalid, "the form can't be read: %w", err).WithHint("Go back and send it again.")
	}
	return nil
}

// setUpPages are all that somebody has who lacks a second factor that is demanded.
var setUpPages = []string{"/settings/security", "/sign-out"}

var errNoPage = backstay.Errorf(backstay.NotFound, "there is no such page").WithHint("Look whether the address is whole, or begin at the overview.")

var errLimited = errors.New("a second factor is demanded")

func zoneOf(u backstay.User) *time.Location {
	if zone, err := time.LoadLocation(u.Zone); err == nil {
		return zone
	}
	return time.UTC
}

// confirm confirms that it is the person if the form has a code or a password to show for it. Where that is wrong, what needs it is refused
// later, and says why.
func (v *visit) confirm() (err error) {
	secret := v.r.PostForm.Get(confirmField)
	if secret == "" || v.who.Fresh {
		return nil
	}
	code, password := strings.TrimSpace(secret), ""
	if !v.desk.User.MFA {
		code, password = "", secret
	}
	if err := v.App.Confirm(v.ctx, v.who, password, code); err != nil {
		e, _ := door.Failure(err)
		v.unproved = sentence(e.Msg)
		return nil
	}
	v.who, err = v.App.Still(v.ctx, v.who)
	return err
}

// project is the id of the project that is looked at; "" for all of them.
func (v *visit) project() string {
	if c, err := v.r.Cookie(projectCookie); err == nil {
		return c.Value
	}
	return ""
}

// id is what the path names.
func (v *visit) id() string { return v.r.PathValue("id") }

// query is a value in the address.
func (v *visit) query(name string) string { return v.r.URL.Query().Get(name) }

// list is the page of a list that the address asks for: by project, search, sort, cursor and the named filters.
func (v *visit) list(filters ...string) app.List {
	l := app.List{Limit: pageSize, Cursor: v.query("cursor"), Sort: v.query("sort"), Project: v.project(), Search: strings.TrimSpace(v.query("search")), Filters: map[string]string{}}
	for _, name := range filters {
		if value := v.query(name); value != "" {
			l.Filters[name] = value
		}
	}
	return l
}

// pageSize is how many rows a page of a list has.
const pageSize = 50

// redirect goes on to another page, which says what was done; done may be "".
func (v *visit) redirect(to, done string) error {
	if done != "" {
		v.setCookie(toastCookie, base64.RawURLEncoding.EncodeToString([]byte(done)), time.Minute)
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// setCookie keeps something at the browser; "" takes it away.
func (v *visit) setCookie(name, value string, age time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: v.Secure, SameSite: http.SameSiteStrictMode, MaxAge: int(age.Seconds())}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// may reports whether the person may do something, once they have confirmed that it is them where that is needed.
func (v *visit) may(p backstay.Permission, scope backstay.Scope, owner string) bool {
	d := backstay.Decide(v.who, p, scope, owner)
	return d.Allowed || d.NeedFresh
}

// somewhere reports whether the person may do something anywhere at all.
func (v *visit) somewhere(p backstay.Permission) bool {
	who := v.who
	who.Fresh = true
	reach, _ := backstay.ReachOf(who, p)
	return len(reach) > 0
}

// fail answers a request that went wrong, on a page of its own. A form that can be mended is answered by its page instead: see form.fail.
func (v *visit) fail(err error) {
	e, status := door.Failure(err)
	switch {
	case v.refuseLive(err):
		return
	case errors.Is(err, errLimited):
		http.Redirect(v.w, v.r, "/settings/security", http.StatusSeeOther)
		return
	case e.Kind == backstay.SignIn:
		v.askToSignIn()
		return
	case e.Kind == backstay.Unconfirmed && v.r.Method == http.MethodPost:
		if err = v.askToConfirm(); err == nil {
			return
		}
	}
	if status == http.StatusInternalServerError {
		v.Log.LogAttrs(v.ctx, slog.LevelError, "page failed", slog.String("request", v.who.From.Request), slog.Any("error", errors.Join(e, e.Err)))
	}
	page := problemPage{frame: v.frame(http.StatusText(status)), Status: status, What: sentence(e.Msg), Hint: e.Hint, Code: doctor.Find(e).Code, Request: v.who.From.Request}
	if err := v.answer(status, "problem", page); err != nil {
		v.Log.ErrorContext(v.ctx, "the page of a problem failed", "error", err)
		http.Error(v.w, e.Msg, status)
	}
}

// told is an error in words: what is wrong, and what to do. The cause of one that has no words for people goes to the log.
func (v *visit) told(err error) (what, hint string) {
	e, status := door.Failure(err)
	if status == http.StatusInternalServerError && e.Err != nil {
		v.Log.LogAttrs(v.ctx, slog.LevelError, "page failed", slog.String("request", v.who.From.Request), slog.Any("error", errors.Join(e, e.Err)))
	}
	return sentence(e.Msg), e.Hint
}

// problemPage says what went wrong.
type problemPage struct {
	frame
	Status                    int
	What, Hint, Code, Request string
}

// sentence begins with a capital and ends in a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	s = upper(s)
	if !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}

// askToSignIn sends somebody to the page for that, and back afterwards. A browser that follows a link from elsewhere does not show its
// session at first: it is asked to come again from here.
func (v *visit) askToSignIn() {
	if v.r.Header.Get("Sec-Fetch-Site") == "cross-site" && v.r.Method == http.MethodGet {
		v.w.Header().Set("Refresh", "0")
		if err := v.answer(http.StatusOK, "again", v.frame("One moment")); err != nil {
			v.Log.ErrorContext(v.ctx, "page failed", "error", err)
		}
		return
	}
	to := "/sign-in"
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(v.r.URL.RequestURI())
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}

// next is the page of this server that the address names to go on to; the overview if it names none of them.
func (v *visit) next() string {
	to := v.r.FormValue("next")
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") || u.Host != "" || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/" {
		return "/"
	}
	return to
}

// number is a number in the address or form; fallback where there is none.
func (v *visit) number(name string, fallback int) int {
	if n, err := strconv.Atoi(v.r.FormValue(name)); err == nil {
		return n
	}
	return fallback
}
