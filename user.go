package backstay

import (
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay/retention"
)

// User is a person with an account.
type User struct {
	Record
	Name        string      `json:"name" maxLength:"100" doc:"As others see it"`
	Email       string      `json:"email" format:"email" maxLength:"254" doc:"They sign in with it; no two people have the same"`
	Phone       string      `json:"phone,omitempty" maxLength:"32" doc:"With the country code, for text messages"`
	Zone        string      `json:"zone,omitempty" maxLength:"64" doc:"Time zone such as Europe/Berlin; UTC without one"`
	Language    string      `json:"language,omitempty" maxLength:"35" doc:"Such as en or de"`
	Preferences Preferences `json:"preferences" doc:"What holds for what they create, and what they want to be told"`
	Disabled    bool        `json:"disabled" doc:"They can't sign in, and nothing of theirs works"`
	MFA         bool        `json:"mfa" readOnly:"true" doc:"They have a second factor"`
	LastSeenAt  *time.Time  `json:"last_seen_at,omitempty" readOnly:"true"`
}

// Preferences are what a person wants of backups.
type Preferences struct {
	Retention   retention.Policy `json:"retention,omitzero" doc:"For new plans of theirs"`
	Compression string           `json:"compression,omitempty" enum:"off,auto,max" doc:"For new plans of theirs"`
	Events      []string         `json:"events,omitempty" doc:"What they want to be told of, such as run.failed"`
	Channels    []string         `json:"channels,omitempty" doc:"The ids of channels that they are told by"`
	Theme       string           `json:"theme,omitempty" enum:"light,dark,system"`
}

// Check says what is wrong with what somebody wrote about a person.
func (u User) Check() error {
	if err := checkName("person", u.Name); err != nil {
		return err
	}
	address, err := mail.ParseAddress(u.Email)
	if err != nil || address.Address != u.Email || len(u.Email) > 254 || !strings.Contains(u.Email, "@") {
		return Errorf(Invalid, "%q is no e-mail address", u.Email).OnField("email")
	}
	if _, err := time.LoadLocation(u.Zone); err != nil || u.Zone == "Local" {
		return Errorf(Invalid, "there is no time zone %q", u.Zone).WithHint("Use a name such as Europe/Berlin.").OnField("zone")
	}
	if strings.Trim(u.Phone, "+0123456789 ()-/.") != "" {
		return Errorf(Invalid, "%q is no telephone number", u.Phone).WithHint("Write it with the country code, as in +49 30 123456.").OnField("phone")
	}
	return nil
}

// Group is a set of people that rights are granted to as one.
type Group struct {
	Record
	Name    string   `json:"name" maxLength:"100"`
	Help    string   `json:"help,omitempty" maxLength:"1000" doc:"A sentence: who belongs to it"`
	Members []string `json:"members" doc:"The ids of the people in it"`
}

// Check says what is wrong with a group.
func (g Group) Check() error { return checkName("group", g.Name) }

// Token lets a program act for a person. It never may more than its owner, and nothing that asks for a confirmed sign-in.
type Token struct {
	Record
	User        string       `json:"user" readOnly:"true" doc:"The id of the person it acts for"`
	Name        string       `json:"name" maxLength:"100" doc:"What it is for"`
	Permissions []Permission `json:"permissions" doc:"What it may do, of what its owner may"`
	Within      Scope        `json:"within,omitempty" doc:"Where it may do it; without one, everywhere its owner may"`
	ExpiresAt   time.Time    `json:"expires_at" doc:"From then on it is refused; at most a year ahead"`
	LastUsedAt  *time.Time   `json:"last_used_at,omitempty" readOnly:"true"`
	LastUsedIP  string       `json:"last_used_ip,omitempty" readOnly:"true"`
	Hash        string       `json:"-"` // of what the program shows
}

// MaxTokenAge is how long a token may live.
const MaxTokenAge = 366 * 24 * time.Hour

// Check says what is wrong with a token that somebody wants.
func (t Token) Check(now time.Time) error {
	if err := checkName("token", t.Name); err != nil {
		return err
	}
	if len(t.Permissions) == 0 {
		return Errorf(Invalid, "the token is allowed nothing").WithHint("Name at least one permission.").OnField("permissions")
	}
	for _, p := range t.Permissions {
		row, ok := FindPermission(p)
		if !ok {
			return Errorf(Invalid, "there is no permission %q", p).OnField("permissions")
		}
		if row.Dangerous() {
			return Errorf(Invalid, "%q is never given to a token: it asks for a person who confirms", p).OnField("permissions")
		}
	}
	if !t.ExpiresAt.After(now) || t.ExpiresAt.Sub(now) > MaxTokenAge {
		return Errorf(Invalid, "the token has to expire, within a year").OnField("expires_at")
	}
	if t.Within == "" {
		return nil
	}
	return t.Within.Check()
}

// Allows reports whether the token lets its owner's right to p through.
func (t Token) Allows(p Permission, scope Scope) bool {
	return slices.Contains(t.Permissions, p) && (t.Within == "" || t.Within.Covers(scope))
}

// narrow cuts the regions in which the owner has p to those of the token.
func (t Token) narrow(p Permission, of []Reach) (narrowed []Reach) {
	if !slices.Contains(t.Permissions, p) {
		return nil
	}
	for _, r := range of {
		switch {
		case t.Within == "" || t.Within.Covers(r.Scope):
			narrowed = append(narrowed, r)
		case r.Scope.Covers(t.Within):
			narrowed = append(narrowed, Reach{Scope: t.Within, Owner: r.Owner})
		}
	}
	return narrowed
}

// Session is a person signed in at one browser or terminal.
type Session struct {
	Record
	User       string    `json:"user" readOnly:"true"`
	Method     string    `json:"method" readOnly:"true" doc:"How they signed in: password, passkey or oidc"`
	MFA        bool      `json:"mfa" readOnly:"true" doc:"A second factor was part of it"`
	IP         string    `json:"ip" readOnly:"true" doc:"Where it was last used from"`
	UserAgent  string    `json:"user_agent" readOnly:"true"`
	LastUsedAt time.Time `json:"last_used_at" readOnly:"true"`
	FreshUntil time.Time `json:"fresh_until" readOnly:"true" doc:"Until then what is dangerous needs no further confirmation"`
	ExpiresAt  time.Time `json:"expires_at" readOnly:"true"`
	Current    bool      `json:"current" readOnly:"true" bun:"-" doc:"It is the one that asks"`
	Pending    bool      `json:"-"` // a second factor has to be shown yet: until then it is nobody's
	Hash       string    `json:"-"` // of what the browser shows
}

// FactorKind is a way to prove who somebody is.
type FactorKind string

// The kinds of factors.
const (
	FactorPassword FactorKind = "password"
	FactorTOTP     FactorKind = "totp"
	FactorPasskey  FactorKind = "passkey"
	FactorRecovery FactorKind = "recovery"
	FactorOIDC     FactorKind = "oidc"
)

// Factor is one thing by which a person proves who they are.
type Factor struct {
	Record
	User       string     `json:"user" readOnly:"true"`
	Kind       FactorKind `json:"kind" readOnly:"true" enum:"password,totp,passkey,recovery,oidc"`
	Name       string     `json:"name" maxLength:"100" doc:"What the person calls it"`
	Lookup     string     `json:"-"` // what it is found by where the person is not known yet; unique within the kind
	Value      string     `json:"-"` // a hash, or sealed
	Counter    int64      `json:"-"` // what was used last, where nothing is to be used twice
	Confirmed  bool       `json:"confirmed" readOnly:"true" doc:"It was used once, so that it is known to work"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty" readOnly:"true"`
}

// Link lets a person who has lost or not yet chosen a password choose one, once.
type Link struct {
	Record
	User      string    `json:"user"`
	ExpiresAt time.Time `json:"expires_at"`
	Hash      string    `json:"-"`
}
