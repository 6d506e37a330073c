package server

import (
	"net/http"

	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/guard"
)

// stolenPasswords is the service that everybody asks. It needs no account.
const stolenPasswords = "https://api.pwnedpasswords.com/range/"

// breaches asks for passwords that were stolen elsewhere: the public service at public addresses only, another one wherever it is.
func breaches(address string) auth.Breaches {
	transport := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader} // it is asked seldom
	if address == "" {
		address, transport.DialContext = stolenPasswords, guard.Guard{}.Dial
	}
	return auth.Breaches{Client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, URL: address}
}
