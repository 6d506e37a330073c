package web

import (
	"cmp"
	"net/http"
)

// registerProfile registers the page of somebody's own account.
func (s *Site) registerProfile() {
	s.get("/settings/profile", func(v *visit) error { return v.showProfile(http.StatusOK, v.profileForm()) })
	s.post("/settings/profile", (*visit).updateProfile)
}

// ownPage is a page of what is somebody's own, with a form.
type ownPage struct {
	frame
	Heading, Lead string
	Tabs          []tab
	Form          *form
}

func (v *visit) profileForm() *form {
	u := v.desk.User
	return &form{Action: "/settings/profile", Submit: "Save", Groups: []group{
		{Title: "You", Fields: []*field{
			{Name: "name", Title: "Name", Kind: textField, Value: u.Name, Auto: "name", Help: "As others see it."},
			{Name: "email", Title: "E-mail", Kind: emailField, Value: u.Email, Auto: "email", Help: "You sign in with it. A change asks you to confirm that it is you."},
			{Name: "phone", Title: "Phone", Kind: "tel", Value: u.Phone, Auto: "tel", Optional: true, Help: "With the country code, as in +49 30 123456."},
			zoneField(cmp.Or(u.Zone, "UTC")),
		}},
		{Title: "Look", Fields: []*field{
			{Name: "preferences.theme", Title: "Colours", Kind: radioField, Value: cmp.Or(u.Preferences.Theme, "system"), Choices: []choice{
				{Value: "system", Title: "As this device"}, {Value: "light", Title: "Light"}, {Value: "dark", Title: "Dark"}}},
		}},
	}}
}

func (v *visit) showProfile(status int, f *form) error {
	return v.answer(status, "own", ownPage{v.frame("Profile"), "Your profile", "Who you are here, and how pages look to you.", v.settingsTabs(), f})
}

func (v *visit) updateProfile() error {
	f := v.profileForm()
	f.read(v.r)
	patch, err := f.json()
	if err == nil {
		_, err = v.App.UpdateProfile(v.ctx, v.who, patch)
	}
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showProfile(status, f)
	}
	return v.redirect("/settings/profile", "Saved.")
}
