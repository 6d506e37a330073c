package app

import (
	"encoding/base64"
	"errors"

	"github.com/backstay/backstay/internal/secret"
)

// seal encrypts a value for its place in the database.
func (a *App) seal(at secret.Place, value secret.Text) (string, error) {
	sealed, err := a.box.Seal(at, value)
	return base64.StdEncoding.EncodeToString(sealed), err
}

// open decrypts a value from its place.
func (a *App) open(at secret.Place, sealed string) (secret.Text, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return secret.Text{}, errors.New("a sealed value of " + at.String() + " is damaged")
	}
	return a.box.Open(at, raw)
}
