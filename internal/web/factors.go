package web

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/backstay/backstay/internal/auth"
)

// appPage sets up an authenticator app. It is the only one that shows the key.
type appPage struct {
	frame
	QR   html
	Key  string
	Form *form
}

func (v *visit) beginApp() error {
	id, totp, err := v.App.BeginTOTP(v.ctx, v.who)
	if err != nil {
		return err
	}
	return v.showApp(http.StatusOK, appForm(id, string(totp.Address)))
}

// appForm asks for the first code. What the app was given comes along, so that it can be shown again after a wrong one.
func appForm(id, address string) *form {
	return newForm(securityPath+"/app/"+id, "Confirm the app", securityPath,
		&field{Name: "address", Kind: hiddenField, Value: address},
		&field{Name: "code", Title: "Code that the app shows", Kind: textField, Auto: "one-time-code", Wide: true, Help: "Six digits. Then it is known that the app works."})
}

func (v *visit) showApp(status int, f *form) error {
	address := f.value("address")
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "otpauth" || len(address) > 1000 {
		return errNoPage
	}
	qr, err := auth.QRCode(auth.Secret(address), "QR code for your authenticator app")
	if err != nil {
		return err
	}
	page := appPage{frame: v.frame("Set up an authenticator app"), QR: html(qr), Key: spaced(u.Query().Get("secret")), Form: f} //nolint:gosec // of the program
	return v.answer(status, "app", page)
}

// spaced has a key in groups of four, as people type it.
func spaced(key string) string {
	var groups []string
	for len(key) > 4 {
		groups, key = append(groups, key[:4]), key[4:]
	}
	return strings.Join(append(groups, key), " ")
}

func (v *visit) confirmApp() error {
	f := appForm(v.id(), "")
	f.read(v.r)
	codes, err := v.App.ConfirmTOTP(v.ctx, v.who, v.id(), f.value("code"))
	if err != nil {
		f.find("code").Value = "" // the next one is another
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showApp(status, f)
	}
	return v.showCodes("Your app is set up: keep these codes", codes)
}

// codesPage shows recovery codes, this once.
type codesPage struct {
	frame
	Heading string
	Codes   string
	File    template.URL // the same, to be kept as a file
}

func (v *visit) showCodes(heading string, codes []auth.Secret) error {
	var lines []string
	for _, code := range codes {
		lines = append(lines, string(code))
	}
	text := strings.Join(lines, "\n")
	file := "Recovery codes for Backstay at " + v.r.Host + ", account " + v.desk.User.Email + ". Each lets you in once.\n\n" + text + "\n"
	return v.show("codes", codesPage{frame: v.frame(heading), Heading: heading, Codes: text,
		File: template.URL("data:text/plain;charset=utf-8;base64," + base64.StdEncoding.EncodeToString([]byte(file)))}) //nolint:gosec // base64
}

func (v *visit) makeCodes() error {
	codes, err := v.App.NewRecoveryCodes(v.ctx, v.who)
	if err != nil {
		return err
	}
	return v.showCodes("Keep these recovery codes", codes)
}

// passkeyPage makes a passkey, once the person has confirmed that it is them.
type passkeyPage struct {
	frame
	Form *form
}

// passkeyForm asks what the passkey is to be called; the page's script adds the answer of the browser.
func (v *visit) passkeyForm() *form {
	return v.ask(newForm(securityPath+"/passkeys/new", "Go on", securityPath,
		&field{Name: "name", Title: "What you call it", Kind: textField, Value: "Passkey", Wide: true, Auto: "off", Help: "Such as the device that it is on."}))
}

func (v *visit) showPasskey(status int, f *form) error {
	return v.answer(status, "passkey", passkeyPage{v.frame("Add a passkey"), f})
}

func (v *visit) newPasskey() error { return v.showPasskey(http.StatusOK, v.passkeyForm()) }

func (v *visit) addPasskey() error {
	f := v.passkeyForm()
	f.read(v.r)
	answer := v.r.PostForm.Get("answer")
	name := f.value("name")
	switch {
	case !v.who.Fresh:
		return v.showPasskey(http.StatusForbidden, f)
	case name == "" || len([]rune(name)) > 100:
		f.find("name").Error = "Enter 1 to 100 characters."
		return v.showPasskey(http.StatusUnprocessableEntity, f)
	case answer == "":
		return v.showPasskey(http.StatusOK, f)
	}
	made, codes, err := v.App.FinishPasskey(v.ctx, v.who, v.ceremony(), name, []byte(answer))
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showPasskey(status, f)
	}
	if len(codes) > 0 {
		return v.showCodes("Your passkey is set up: keep these codes", codes)
	}
	return v.redirect(securityPath, made.Name+" was added.")
}
