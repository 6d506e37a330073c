package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/backstay/backstay"
)

// confirmation asks somebody to show that it is them: by a code or a passkey where they have a second factor, else by the password.
type confirmation struct {
	ByCode  bool
	Passkey bool
	Error   string
}

// confirmation is what the person has to show, and why what they showed was not enough.
func (v *visit) confirmation() *confirmation {
	c := &confirmation{ByCode: v.desk.User.MFA, Error: v.unproved}
	if !c.ByCode {
		return c
	}
	factors, err := v.App.Factors(v.ctx, v.who)
	c.Passkey = err == nil && slices.ContainsFunc(factors, func(f backstay.Factor) bool { return f.Kind == backstay.FactorPasskey })
	return c
}

// ask has a dangerous form ask for the confirmation that the person still owes.
func (v *visit) ask(f *form) *form {
	if !v.who.Fresh {
		f.Confirm = v.confirmation()
	}
	return f
}

// confirmPage asks for a confirmation, and sends again what it was asked for.
type confirmPage struct {
	frame
	Action  string
	Again   []sent
	Confirm *confirmation
}

// sent is a value that a form sends.
type sent struct{ Name, Value string }

// askToConfirm answers an act that needs a confirmation first. Acts send no secrets; a form that has some asks on its own page.
func (v *visit) askToConfirm() error {
	page := confirmPage{frame: v.frame("Confirm that it is you"), Action: v.r.URL.RequestURI(), Confirm: v.confirmation()}
	for _, name := range slices.Sorted(maps.Keys(v.r.PostForm)) {
		if name == confirmField || strings.Contains(name, "password") || strings.HasPrefix(name, "settings.") {
			continue
		}
		for _, value := range v.r.PostForm[name] {
			page.Again = append(page.Again, sent{name, value})
		}
	}
	return v.answer(http.StatusForbidden, "confirm", page)
}
