// Package authtest makes what tests of signing in need on the other side: the devices of a person, and a server by whose word they sign in.
package authtest

import (
	"crypto/ecdsa"
	"crypto/x509"

	"github.com/descope/virtualwebauthn"
)

// NewCredential returns a new key of a passkey. Of an elliptic curve it is one whose coordinates don't begin with a zero byte, as
// 127 of 128 are: virtualwebauthn leaves such bytes out, which no device does (RFC 9053 §7.1.1) and no server takes.
func NewCredential(kind virtualwebauthn.KeyType) virtualwebauthn.Credential {
	for {
		c := virtualwebauthn.NewCredential(kind)
		parsed, err := x509.ParsePKCS8PrivateKey(c.Key.Data)
		if err != nil {
			panic("virtualwebauthn: " + err.Error())
		}
		key, ok := parsed.(*ecdsa.PrivateKey)
		if !ok {
			return c
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			panic("virtualwebauthn: " + err.Error())
		}
		if x, y := point[1:33], point[33:]; x[0] != 0 && y[0] != 0 { // the point is 4, X, Y (SEC 1 §2.3.3)
			return c
		}
	}
}
