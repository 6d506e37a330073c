package web

import (
	"strings"

	"github.com/backstay/backstay"
)

// claimOf is the page that makes the first account.
func (v *visit) claimOf() gatePage {
	return gatePage{Heading: "Make the first account", Lead: "This server is new. Whoever has the code from its console becomes its owner.",
		Form: newForm("/claim", "Make the account", "",
			&field{Name: "code", Title: "Claim code", Kind: textField, Auto: "off", Help: "It stands on the console that the server was started on."},
			&field{Name: "name", Title: "Your name", Kind: textField, Auto: "name"},
			&field{Name: "email", Title: "E-mail", Kind: emailField, Auto: "username", Help: "You sign in with it."},
			&field{Name: "password", Title: "Password", Kind: secretField, Auto: "new-password", Help: passwordHelp},
			zoneField("UTC"))}
}

const passwordHelp = "Some words that only you would put together are easy to keep in mind and hard to guess."

// unclaimed refuses to claim a server that has an owner.
func (v *visit) unclaimed() error {
	claimed, err := v.App.Claimed(v.ctx)
	if err == nil && claimed {
		err = errNoPage
	}
	return err
}

func (v *visit) claimPage() error {
	if err := v.unclaimed(); err != nil {
		return err
	}
	return v.showGate(v.claimOf(), nil)
}

func (v *visit) claim() error {
	if err := v.unclaimed(); err != nil {
		return err
	}
	page := v.claimOf()
	f := page.Form
	f.read(v.r)
	zone := *zoneField(f.value("zone"))
	*f.find("zone") = zone // with what the browser knows and the list does not
	u := backstay.User{Name: f.value("name"), Email: f.value("email"), Zone: f.value("zone")}
	in, err := v.App.Claim(v.ctx, v.who.From, f.value("code"), u, f.value("password"))
	if err != nil {
		return v.showGate(page, err)
	}
	return v.enter(in, "/start")
}

// forgotOf is the page of those who have forgotten their password.
func (v *visit) forgotOf() gatePage {
	return gatePage{Heading: "Forgot your password?", Lead: "A link by which you choose a new one is mailed to you. Your password holds until you do.",
		Form:  newForm("/forgot", "Mail me a link", "", &field{Name: "email", Title: "E-mail", Kind: emailField, Auto: "username"}),
		Links: []tab{{Href: "/sign-in", Word: "Back to signing in"}}}
}

func (v *visit) forgotPage() error { return v.showGate(v.forgotOf(), nil) }

func (v *visit) forgot() error {
	page := v.forgotOf()
	page.Form.read(v.r)
	if err := v.App.ForgotPassword(v.ctx, v.who.From, page.Form.value("email")); err != nil {
		return v.showGate(page, err)
	}
	return v.redirect("/forgot/sent", "")
}

// forgotSent says the same whether there is an account or not.
func (v *visit) forgotSent() error {
	return v.showGate(gatePage{Heading: "Look into your mail", Lead: "If there is an account with that address, a link is on its way to it. It is good for an hour, and works once.",
		Links: []tab{{Href: "/sign-in", Word: "Back to signing in"}, {Href: "/forgot", Word: "Send another one"}}}, nil)
}

// linkOf is the page on which somebody chooses a password by a link. What stands behind its # never comes here by itself, so that no log has
// it: a script of the page puts it into the form.
func (v *visit) linkOf() gatePage {
	return gatePage{Heading: "Choose your password", Lead: "With it you sign in from now on. Where you were signed in before, you are signed out.",
		Form: newForm("/link", "Save and sign in", "",
			&field{Name: "ticket", Title: "Your link", Kind: textField, Auto: "off", Help: "Paste it as you got it, from an administrator or by mail."},
			&field{Name: "password", Title: "New password", Kind: secretField, Auto: "new-password", Help: passwordHelp}),
		Links: []tab{{Href: "/forgot", Word: "Ask for a new link"}, {Href: "/sign-in", Word: "Sign in instead"}}}
}

func (v *visit) linkPage() error { return v.showGate(v.linkOf(), nil) }

func (v *visit) useLink() error {
	page := v.linkOf()
	page.Form.read(v.r)
	ticket := page.Form.value("ticket")
	ticket = ticket[strings.LastIndexByte(ticket, '#')+1:]
	in, err := v.App.UseLink(v.ctx, v.who.From, ticket, page.Form.value("password"))
	if err != nil {
		return v.showGate(page, err)
	}
	return v.enter(in, "/")
}
