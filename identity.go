package backstay

import (
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
)

// IdentityProvider is another server by whose word people sign in (OpenID Connect). What of its word is believed, and what isn't, is told
// in internal/app/identities.go.
type IdentityProvider struct {
	Record
	Name         string   `json:"name" maxLength:"100" doc:"As people read it where they sign in"`
	Issuer       string   `json:"issuer" maxLength:"500" doc:"As the other server names itself, to the letter, such as https://login.example.org. It can't be changed"`
	ClientID     string   `json:"client_id" maxLength:"300" doc:"What this server is called there"`
	ClientSecret string   `json:"client_secret,omitempty" maxLength:"1000" writeOnly:"true" bun:"-" doc:"What this server proves itself by there. Leave it out to keep it, or for a public client"`
	HasSecret    bool     `json:"has_secret" readOnly:"true" bun:"-" doc:"A client secret is set"`
	Scopes       []string `json:"scopes,omitempty" maxItems:"20" doc:"What is asked for beside openid; by default email and profile"`
	Domains      []string `json:"domains,omitempty" maxItems:"100" doc:"Addresses count only if they are of one of these domains, such as example.org; without any, those of all"`
	NewAccounts  bool     `json:"new_accounts" doc:"Who has a verified address that nobody here has gets an account, without any rights. It needs domains"`
	Disabled     bool     `json:"disabled" doc:"Nobody can sign in by it"`
	Authority    string   `json:"ca_certificate,omitempty" maxLength:"50000" doc:"The certificate, as PEM, of the authority that signed the other server's, if that isn't one everybody trusts; then only this one is trusted"`
	Local        bool     `json:"local" readOnly:"true" doc:"An administrator of the server made it: it may be on the server's machine and in private networks"`
	SetUpBy      string   `json:"set_up_by" readOnly:"true" doc:"The id of the person who vouches for it: accounts that may more than they are given to nobody by its word"`
	RedirectURL  string   `json:"redirect_url" readOnly:"true" bun:"-" doc:"Where the other server sends people back to: it wants to know that beforehand"`
	Sealed       string   `json:"-"`
}

// Check says what is wrong with an identity provider.
func (p IdentityProvider) Check() error {
	if err := checkName("identity provider", p.Name); err != nil {
		return err
	}
	if u, err := url.Parse(p.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Errorf(Invalid, "the issuer is no address of a server").WithHint("Give the one that the other server shows as its issuer, such as https://login.example.org.").OnField("issuer")
	}
	if p.ClientID == "" || !isWord(p.ClientID) {
		return Errorf(Invalid, "the client id is missing, or has spaces in it").WithHint("The other server shows it once this server is registered there.").OnField("client_id")
	}
	if i := slices.IndexFunc(p.Scopes, func(s string) bool { return !isWord(s) }); i >= 0 {
		return Errorf(Invalid, "%q is no scope", p.Scopes[i]).OnField("scopes")
	}
	if i := slices.IndexFunc(p.Domains, func(d string) bool { return !isWord(d) || strings.ContainsAny(d, "@*/") || !strings.Contains(d, ".") }); i >= 0 {
		return Errorf(Invalid, "%q is no domain", p.Domains[i]).WithHint("Write what stands behind the @ of an address, such as example.org.").OnField("domains")
	}
	if p.NewAccounts && len(p.Domains) == 0 {
		return Errorf(Invalid, "whoever has an account at the other server would get one here").WithHint("Say the addresses of which domains get one.").OnField("domains")
	}
	if p.Authority != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(p.Authority)) {
		return Errorf(Invalid, "there is no certificate in it").WithHint("Give PEM, which has a line BEGIN CERTIFICATE.").OnField("ca_certificate")
	}
	return nil
}

// isWord reports whether a text is one word that can be shown.
func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Covers reports whether an address is of one of the domains that count.
func (p IdentityProvider) Covers(address string) bool {
	domain := address[strings.LastIndex(address, "@")+1:]
	return len(p.Domains) == 0 || slices.ContainsFunc(p.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
}
