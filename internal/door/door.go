// Package door has what the doors over HTTP share: who asks, by which cookie, how many streams a person may have, and which status says which
// kind of failure. It decides nothing.
package door

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

type actorKey struct{}

// Actor is who asks, as Identify found out.
func Actor(ctx context.Context) backstay.Actor {
	who, ok := ctx.Value(actorKey{}).(backstay.Actor)
	if !ok {
		return backstay.Actor{Kind: backstay.ActorNobody}
	}
	return who
}

// As returns a context in which who asks.
func As(ctx context.Context, who backstay.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

// IsSignedIn reports whether somebody is known to ask.
func IsSignedIn(ctx context.Context) bool { return Actor(ctx).Kind != backstay.ActorNobody }

// Identity finds out who asks.
type Identity struct {
	App    *app.App
	Secure bool // the server is reached by TLS, so that cookies are for TLS only
}

// Identify finds out who asks, and passes them on in the context. A token that is shown counts, and no cookie beside it. Fail answers where
// that can't be found out; who asks is then known as far as it was.
func (i Identity) Identify(next http.Handler, origin func(*http.Request) backstay.Origin, fail func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := i.identify(r, origin(r))
		r = r.WithContext(As(r.Context(), who))
		if err != nil {
			fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (i Identity) identify(r *http.Request, from backstay.Origin) (backstay.Actor, error) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return i.App.ActorOfToken(r.Context(), token, from)
	}
	cookie, err := r.Cookie(i.CookieName())
	if errors.Is(err, http.ErrNoCookie) {
		return backstay.Actor{Kind: backstay.ActorNobody, From: from}, nil
	}
	if err != nil {
		return backstay.Actor{Kind: backstay.ActorNobody, From: from}, err
	}
	return i.App.ActorOfSession(r.Context(), cookie.Value, from)
}

// CookieName is what the session's cookie is called. The prefix makes browsers refuse one that another host or an unsafe page set.
func (i Identity) CookieName() string {
	if i.Secure {
		return "__Host-backstay"
	}
	return "backstay"
}

// Cookie is the one that a browser keeps of a session; without a ticket it takes that away.
func (i Identity) Cookie(ticket string, expires time.Time) http.Cookie {
	c := http.Cookie{Name: i.CookieName(), Value: ticket, Path: "/", HttpOnly: true, Secure: i.Secure, SameSite: http.SameSiteStrictMode, Expires: expires}
	if ticket == "" {
		c.MaxAge = -1
	}
	return c
}

var statuses = map[backstay.Kind]int{
	backstay.Failed: http.StatusInternalServerError, backstay.Invalid: http.StatusUnprocessableEntity, backstay.NotFound: http.StatusNotFound,
	backstay.Conflict: http.StatusConflict, backstay.NoRepository: http.StatusConflict, backstay.Locked: http.StatusConflict, backstay.WrongPassword: http.StatusUnprocessableEntity,
	backstay.Damaged: http.StatusConflict, backstay.Partial: http.StatusConflict, backstay.Dropped: http.StatusConflict, backstay.Cancelled: http.StatusServiceUnavailable,
	backstay.SignIn: http.StatusUnauthorized, backstay.Denied: http.StatusForbidden, backstay.Unconfirmed: http.StatusForbidden, backstay.TooMany: http.StatusTooManyRequests,
}

// Failure is an error as a person may be told of it, with its status. What has no words for people is a failure of the server's.
func Failure(err error) (*backstay.Error, int) {
	var e *backstay.Error
	if !errors.As(err, &e) {
		e = backstay.Errorf(backstay.Failed, "something went wrong on the server")
		e.Err = err
	}
	return e, statuses[e.Kind]
}
