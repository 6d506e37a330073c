package web

import (
	"net/http"
	"slices"

	"github.com/backstay/backstay"
)

// registerSecurity registers the pages of how somebody signs in. They are all that is there for who lacks a second factor that is demanded.
func (s *Site) registerSecurity() {
	const at = securityPath
	s.get(at, (*visit).security)
	s.get(at+"/password", (*visit).passwordPage)
	s.post(at+"/password", (*visit).changePassword)
	s.post(at+"/app", (*visit).beginApp)
	s.post(at+"/app/{id}", (*visit).confirmApp)
	s.post(at+"/recovery-codes", (*visit).makeCodes)
	s.get(at+"/passkeys/new", (*visit).newPasskey)
	s.post(at+"/passkeys/new", (*visit).addPasskey)
	s.post(at+"/identities", (*visit).linkIdentity)
	s.get(at+"/factors/{id}/remove", (*visit).removeQuestion)
	s.post(at+"/factors/{id}/remove", (*visit).removeFactor)
}

const securityPath = "/settings/security"

// securityPage says how somebody signs in.
type securityPage struct {
	frame
	Mark          pill
	Heading, Lead string
	Acts          []act // what is missing
	Tabs          []tab
	Cards         []securityCard
}

// securityCard is one way of it.
type securityCard struct {
	Title, Text string
	Rows        []securityRow
	Acts        []act
}

// securityRow is one thing to sign in with.
type securityRow struct {
	Name string // "" where its card says it
	Subs []html
	Acts []act
}

func (v *visit) security() error {
	factors, err := v.App.Factors(v.ctx, v.who)
	if err != nil {
		return err
	}
	of := map[backstay.FactorKind][]backstay.Factor{}
	for _, f := range factors {
		of[f.Kind] = append(of[f.Kind], f)
	}
	linked, err := v.linkedCard(of[backstay.FactorOIDC])
	if err != nil {
		return err
	}
	page := v.securityHead()
	page.Cards = []securityCard{v.passkeyCard(of[backstay.FactorPasskey]), v.appCard(of[backstay.FactorTOTP])}
	if v.desk.User.MFA {
		page.Cards = append(page.Cards, v.recoveryCard(of[backstay.FactorRecovery]))
	}
	page.Cards = append(page.Cards, v.passwordCard(of[backstay.FactorPassword]))
	if len(linked.Rows)+len(linked.Acts) > 0 {
		page.Cards = append(page.Cards, linked)
	}
	return v.show("security", page)
}

// securityHead says first what is missing.
func (v *visit) securityHead() securityPage {
	page := securityPage{frame: v.frame("Sign-in and security"), Tabs: v.settingsTabs(), Mark: pill{Tone: "ok", Icon: "shield"},
		Heading: "Your account has a second factor", Lead: "A stolen password alone lets nobody in."}
	if v.desk.User.MFA && !v.who.Limited {
		return page
	}
	page.Mark = pill{Tone: "warn", Icon: "shieldwarn"}
	page.Heading, page.Lead = "Your account has no second factor", "Whoever learns your password gets in. A passkey or an app on your phone keeps them out."
	if v.who.Limited {
		page.Heading, page.Lead = "Set up a second factor to go on", "Your role asks for one. Until then nothing else of Backstay is there for you."
	}
	if v.desk.User.MFA {
		page.Heading, page.Lead = "Sign in with your second factor to go on", "Your account has one, but you signed in without it. Sign out, and in again with it."
		return page
	}
	page.Acts = []act{v.addPasskeyAct("primary"), {Word: "Set up an app", Href: securityPath + "/app", Post: true}}
	return page
}

func (v *visit) addPasskeyAct(tone string) act {
	return act{Word: "Add a passkey", Icon: "plus", Href: securityPath + "/passkeys/new", Tone: tone}
}

// removeAct asks before something is removed.
func removeAct(f backstay.Factor) act {
	return act{Word: "Remove", Of: f.Name, Icon: "trash", Href: securityPath + "/factors/" + f.ID + "/remove", Tone: "quiet"}
}

func (v *visit) passkeyCard(all []backstay.Factor) securityCard {
	card := securityCard{Title: "Passkeys", Text: "Sign in with your fingerprint, face, or the lock of your device. One passkey counts as two factors."}
	for _, f := range all {
		card.Rows = append(card.Rows, securityRow{f.Name, v.usedText(f), []act{removeAct(f)}})
	}
	card.Acts = []act{v.addPasskeyAct("")}
	return card
}

// usedText says since when somebody has something, and when they used it.
func (v *visit) usedText(f backstay.Factor) []html {
	subs := []html{"Added " + v.ago(f.CreatedAt)}
	if f.LastUsedAt != nil {
		subs = append(subs, "last used "+v.ago(*f.LastUsedAt))
	}
	return subs
}

func (v *visit) appCard(all []backstay.Factor) securityCard {
	card := securityCard{Title: "Authenticator app", Text: "An app on your phone shows a code that you enter after your password."}
	word := "Set up an app"
	for _, f := range all {
		card.Rows, word = append(card.Rows, securityRow{f.Name, v.usedText(f), []act{removeAct(f)}}), "Set up another app"
	}
	card.Acts = []act{{Word: word, Href: securityPath + "/app", Post: true}}
	return card
}

func (v *visit) recoveryCard(all []backstay.Factor) securityCard {
	card := securityCard{Title: "Recovery codes", Text: "Each lets you in once on the day that your phone or device is lost."}
	for _, f := range all {
		subs := []html{"Made " + v.ago(f.CreatedAt)}
		if f.LastUsedAt != nil {
			subs = append(subs, "one was used "+v.ago(*f.LastUsedAt))
		}
		card.Rows = append(card.Rows, securityRow{Subs: subs})
	}
	card.Acts = []act{{Word: "Make new codes", Href: securityPath + "/recovery-codes", Post: true}}
	return card
}

func (v *visit) passwordCard(all []backstay.Factor) securityCard {
	card := securityCard{Title: "Password", Text: "You have none: you sign in by something else.", Acts: []act{{Word: "Choose a password", Href: securityPath + "/password"}}}
	for _, f := range all {
		card.Text, card.Acts[0].Word = "", "Change your password"
		card.Rows = append(card.Rows, securityRow{Subs: []html{"Chosen " + v.ago(f.UpdatedAt)}})
	}
	return card
}

// linkedCard are the accounts at other servers, and the servers where one can be linked.
func (v *visit) linkedCard(all []backstay.Factor) (securityCard, error) {
	card := securityCard{Title: "Other servers", Text: "You sign in here by the word of a server that knows you."}
	for _, f := range all {
		card.Rows = append(card.Rows, securityRow{f.Name, v.usedText(f), []act{removeAct(f)}})
	}
	providers, err := v.App.SignInProviders(v.ctx)
	for _, p := range providers {
		if !slices.ContainsFunc(all, func(f backstay.Factor) bool { return f.Name == p.Name }) {
			card.Acts = append(card.Acts, act{Word: "Link your account at " + p.Name, Href: securityPath + "/identities", Post: true, Hidden: []sent{{"provider", p.ID}}})
		}
	}
	return card, err
}

func (v *visit) linkIdentity() error {
	to, err := v.App.BeginIdentity(v.ctx, v.who, v.r.PostForm.Get("provider"))
	if err != nil {
		return err
	}
	return v.leave(to)
}

// passwordForm asks for a new password.
func (v *visit) passwordForm() *form {
	f := newForm(securityPath+"/password", "Change the password", securityPath,
		&field{Name: "password", Title: "New password", Kind: secretField, Auto: "new-password", Help: passwordHelp, Wide: true})
	return v.ask(f)
}

func (v *visit) showPassword(status int, f *form) error {
	const heading = "Choose a new password"
	return v.answer(status, "edit", editPage{frame: v.frame(heading), Heading: heading, Lead: "Wherever else you are signed in, you are signed out.",
		Back: tab{Href: securityPath, Word: "Sign-in and security"}, Form: f})
}

func (v *visit) passwordPage() error { return v.showPassword(http.StatusOK, v.passwordForm()) }

func (v *visit) changePassword() error {
	f := v.passwordForm()
	f.read(v.r)
	if err := v.App.ChangePassword(v.ctx, v.who, f.value("password")); err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showPassword(status, f)
	}
	return v.redirect(securityPath, "Your password was changed.")
}

// factor is one of the person's own.
func (v *visit) factor() (backstay.Factor, error) {
	all, err := v.App.Factors(v.ctx, v.who)
	if err != nil {
		return backstay.Factor{}, err
	}
	i := slices.IndexFunc(all, func(f backstay.Factor) bool { return f.ID == v.id() })
	if i < 0 {
		return backstay.Factor{}, errNoPage
	}
	return all[i], nil
}

// removal asks before a factor is removed.
func (v *visit) removal(f backstay.Factor) *form {
	ask := newForm(securityPath+"/factors/"+f.ID+"/remove", "Remove it", securityPath)
	ask.Danger = true
	return v.ask(ask)
}

func (v *visit) showRemoval(status int, f backstay.Factor, ask *form) error {
	heading := "Remove " + f.Name + "?"
	goes := "You can't sign in with it any more. If it is your last second factor, your recovery codes go as well, and your password alone lets you in."
	if f.Kind == backstay.FactorOIDC {
		goes = "You can't sign in by that server any more. Your account there stays as it is."
	}
	return v.answer(status, "delete", deletePage{frame: v.frame(heading), Heading: heading, Goes: goes, Name: f.Name, Back: securityPath, Form: ask})
}

func (v *visit) removeQuestion() error {
	f, err := v.factor()
	if err != nil {
		return err
	}
	return v.showRemoval(http.StatusOK, f, v.removal(f))
}

func (v *visit) removeFactor() error {
	f, err := v.factor()
	if err != nil {
		return err
	}
	ask := v.removal(f)
	if err := v.App.RemoveFactor(v.ctx, v.who, f.ID); err != nil {
		status, err := ask.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showRemoval(status, f, ask)
	}
	return v.redirect(securityPath, f.Name+" was removed.")
}
