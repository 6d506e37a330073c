package auth

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
)

// claims are those of a token that we use.
type claims struct {
	Email    string `json:"email"`
	Verified truth  `json:"email_verified"`
	Name     string `json:"name"`
	Groups   words  `json:"groups"`
	ACR      string `json:"acr"`
	AMR      words  `json:"amr"`
	AuthTime int64  `json:"auth_time"`
}

// identity names the issuer as it was asked for: Google's tokens, which the library lets pass, name it without https.
func identity(id *oidc.IDToken, issuer string) (Identity, error) {
	var c claims
	if err := id.Claims(&c); err != nil {
		return Identity{}, fmt.Errorf("read the token of OIDC issuer %q: %w", issuer, brief(err))
	}
	if strings.ContainsFunc(c.Email, unicode.IsControl) {
		c.Email = "" // it is no address, and not every database could keep it
	}
	who := Identity{Issuer: issuer, Subject: id.Subject, Email: c.Email, Verified: bool(c.Verified) && c.Email != "", Name: c.Name,
		Groups: c.Groups, ACR: c.ACR, AMR: c.AMR}
	if c.AuthTime > 0 {
		who.At = time.Unix(c.AuthTime, 0).UTC()
	}
	return who, nil
}

// truth is true, or the text "true", as some servers write it. Nothing else is.
type truth bool

func (t *truth) UnmarshalJSON(b []byte) error {
	*t = string(b) == "true" || string(b) == `"true"`
	return nil
}

// words are a list of texts, or one text.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*w = make(words, 1)
		return json.Unmarshal(b, &(*w)[0])
	}
	return json.Unmarshal(b, (*[]string)(w))
}
