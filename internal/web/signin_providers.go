package web

import (
	"strconv"
	"strings"

	"github.com/backstay/backstay"
)

const signInPath = "/settings/sign-in"

// registerSignInProviders registers the pages of servers by whose word people sign in.
func (s *Site) registerSignInProviders() {
	registerNoun(s, nounPages[backstay.IdentityProvider, *backstay.IdentityProvider]{
		noun: s.App.IdentityProviders, path: signInPath, icon: "key", one: "sign-in provider", many: "sign-in providers", order: "name",
		lead:    "Other servers by whose word people sign in (OpenID Connect). Their second factors are not believed: who has one here shows it.",
		columns: []string{"State", "Issuer", "New accounts"},
		row: func(_ *visit, p *backstay.IdentityProvider) row {
			state, accounts := providerPill(p), "no"
			if p.NewAccounts {
				accounts = "for " + strings.Join(p.Domains, ", ")
			}
			return row{Name: p.Name, Cells: []cell{{Pill: &state}, {Text: p.Issuer}, {Text: accounts}}}
		},
		fields: providerFields, facts: providerFacts,
		goes: func(*visit, *backstay.IdentityProvider) string {
			return "Nobody signs in by it any more, and accounts are no longer linked to it. Who has no password of their own needs a link from you."
		},
	})
}

func providerPill(p *backstay.IdentityProvider) pill {
	if p.Disabled {
		return pill{"idle", "cancel", "Disabled", true}
	}
	return pill{"ok", "ok", "In use", true}
}

func providerFacts(v *visit, p *backstay.IdentityProvider) ([]fact, error) {
	state, has := providerPill(p), "none: a public client"
	if p.HasSecret {
		has = "set, and not shown"
	}
	facts := []fact{{Name: "State", Pill: &state}, {Name: "Issuer", Text: p.Issuer}, {Name: "Redirect URL", Text: p.RedirectURL}, {Name: "Client id", Text: p.ClientID}, {Name: "Client secret", Text: has},
		{Name: "Asks for", Text: strings.Join(p.Scopes, ", ")}}
	if len(p.Domains) > 0 {
		facts = append(facts, fact{Name: "Domains", Text: strings.Join(p.Domains, ", ")})
	}
	accounts := "Only people who have an account here"
	if p.NewAccounts {
		accounts = "Who has a verified address of these domains gets an account, without rights"
	}
	return append(facts, fact{Name: "New accounts", Text: accounts}, fact{Name: "Vouched for by", Text: v.names().person(p.SetUpBy)}), nil
}

func providerFields(_ *visit, p *backstay.IdentityProvider) ([]group, error) {
	server := []*field{{Name: "name", Title: "Name", Kind: textField, Value: p.Name, Help: "As people read it where they sign in."}}
	if p.ID == "" {
		server = append(server, &field{Name: "issuer", Title: "Issuer", Kind: urlField, Help: "As the other server names itself, to the letter, such as https://login.example.org. It can't be changed later."})
	}
	server = append(server,
		&field{Name: "client_id", Title: "Client id", Kind: textField, Value: p.ClientID, Auto: "off", Help: "What this server is called there."},
		&field{Name: "client_secret", Title: "Client secret", Kind: secretField, Kept: p.HasSecret, Optional: true, Help: "What this server proves itself by there. None for a public client."},
		&field{Name: "scopes", Title: "What is asked for", Kind: linesField, Value: strings.Join(p.Scopes, "\n"), Optional: true, Help: "One a line, beside openid. By default email and profile."},
		&field{Name: "ca_certificate", Title: "Certificate of its authority", Kind: areaField, Value: p.Authority, Optional: true, Help: "As PEM, if it is not one that everybody trusts."})
	return []group{{Title: "The other server", Fields: server}, {Title: "Who may come", Fields: []*field{
		{Name: "domains", Title: "Domains", Kind: linesField, Value: strings.Join(p.Domains, "\n"), Optional: true, Help: "One a line, such as example.org. Only addresses of these count; without any, those of all."},
		{Name: "new_accounts", Title: "Make accounts for people of these domains", Kind: switchField, Value: strconv.FormatBool(p.NewAccounts), Help: "Without any rights. It needs domains."},
		{Name: "disabled", Title: "Disabled: nobody signs in by it", Kind: switchField, Value: strconv.FormatBool(p.Disabled)},
	}}}, nil
}
