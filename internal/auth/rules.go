package auth

import (
	"errors"
	"unicode/utf8"
)

// What a password may be, after NIST SP 800-63B: long enough, any characters, no rules about which, none that attackers try first.
const (
	// minPassword is in characters. NIST asks for 8 beside a second factor and 15 without: 12 with what guessable refuses, a limit of
	// 30 tries an hour and 64 MiB for each guess offline is beyond both attacks, and people still accept it.
	minPassword = 12
	// maxPassword is in bytes: no sentence is too long, and nobody makes the server hash a megabyte.
	maxPassword = 1024
)

// Why a password is refused.
var (
	ErrPasswordShort    = errors.New("password is shorter than 12 characters")
	ErrPasswordLong     = errors.New("password is longer than 1024 bytes")
	ErrPasswordEncoding = errors.New("password is not valid UTF-8")
	ErrPasswordCommon   = errors.New("password is among those that are tried first: common words, names, sequences, or what is known of its owner")
)

// CheckPassword returns why a password must not be chosen, or nil. Known are what an attacker knows of the owner: name, address, the
// organization; the product's name is known anyway. Against people who try what many choose, and what they know.
//
// The password is taken as it is: neither trimmed nor changed in any way, here and in Hasher.
func CheckPassword(password string, known ...string) error {
	switch {
	case len(password) > maxPassword:
		return ErrPasswordLong
	case !utf8.ValidString(password):
		return ErrPasswordEncoding
	case utf8.RuneCountInString(password) < minPassword:
		return ErrPasswordShort
	case guessable(password, known):
		return ErrPasswordCommon
	}
	return nil
}
