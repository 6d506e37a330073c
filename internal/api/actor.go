package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

type actorKey struct{}

// actor is who asks.
func actor(ctx context.Context) backstay.Actor {
	who, ok := ctx.Value(actorKey{}).(backstay.Actor)
	if !ok {
		return backstay.Actor{Kind: backstay.ActorNobody}
	}
	return who
}

// IsSignedIn reports whether somebody is known to ask.
func IsSignedIn(ctx context.Context) bool { return actor(ctx).Kind != backstay.ActorNobody }

// cookieName is what the session's cookie is called. The prefix makes browsers refuse one that another host or an unsafe page set.
func cookieName(secure bool) string {
	if secure {
		return "__Host-backstay"
	}
	return "backstay"
}

// Identify finds out who asks, and passes them on in the context. A token that is shown counts, and no cookie beside it.
func (a *API) Identify(next http.Handler, origin func(*http.Request) backstay.Origin) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := origin(r)
		who, err := a.identify(r, from)
		if err != nil {
			p := a.problem(context.WithValue(r.Context(), actorKey{}, who), err)
			WriteProblem(w, p.GetStatus(), backstay.Failed, p.Error(), "", from.Request)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), actorKey{}, who)))
	})
}

func (a *API) identify(r *http.Request, from backstay.Origin) (backstay.Actor, error) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return a.App.ActorOfToken(r.Context(), token, from)
	}
	cookie, err := r.Cookie(cookieName(a.Secure))
	if errors.Is(err, http.ErrNoCookie) {
		return backstay.Actor{Kind: backstay.ActorNobody, From: from}, nil
	}
	if err != nil {
		return backstay.Actor{Kind: backstay.ActorNobody, From: from}, err
	}
	return a.App.ActorOfSession(r.Context(), cookie.Value, from)
}

// cookie is the one that a browser keeps of a session.
func (a *API) cookie(ticket string, expires time.Time) http.Cookie {
	c := http.Cookie{Name: cookieName(a.Secure), Value: ticket, Path: "/", HttpOnly: true, Secure: a.Secure, SameSite: http.SameSiteStrictMode, Expires: expires}
	if ticket == "" {
		c.MaxAge = -1
	}
	return c
}

func writeJSON(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v) // who asked has gone
}
