package web

import (
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/door"
)

// refusal is why something was not done, and what to do about it.
type refusal struct{ What, Hint string }

// refusedOn shows the page that an act was on with why it was refused. What needs a confirmation, and what is not there, is answered as usual.
func (v *visit) refusedOn(page func(v *visit, status int, note *notice) error, err error) error {
	e, status := door.Failure(err)
	switch e.Kind {
	case backstay.Unconfirmed, backstay.SignIn, backstay.NotFound, backstay.Failed, backstay.Denied:
		return err
	}
	return page(v, status, &notice{Tone: "fail", Icon: "fail", Fact: sentence(e.Msg), Text: e.Hint})
}

// addressOf is where people reach the server.
func (v *visit) addressOf(set backstay.Settings) string {
	if set.URL != "" {
		return strings.TrimSuffix(set.URL, "/")
	}
	return v.App.Address()
}
