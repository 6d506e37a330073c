package auth

import (
	"io"
	"slices"
)

// recoveryCodes is how many codes somebody gets at once.
const recoveryCodes = 10

// NewRecoveryCodes returns ten codes for somebody who lost the other factors, and what is kept of them. Each has 120 bits: of so
// many a plain digest is enough against a stolen database (OWASP ASVS 6.5.2 asks for 112), and guessing needs no limit.
func NewRecoveryCodes(random io.Reader) ([]Secret, []Digest, error) {
	codes, kept := make([]Secret, recoveryCodes), make([]Digest, recoveryCodes)
	for i := range codes {
		code, err := spell(random, 6)
		if err != nil {
			return nil, nil, err
		}
		codes[i], kept[i] = code, digestRecoveryCode(string(code))
	}
	return codes, kept, nil
}

// UseRecoveryCode reports whether the code is one of those kept, and returns the others, in a new slice. Against using a code
// twice the caller stores the others only if what is stored is still what it passed in.
func UseRecoveryCode(typed string, kept []Digest) (left []Digest, ok bool) {
	d := digestRecoveryCode(typed)
	left = slices.DeleteFunc(slices.Clone(kept), d.Equal)
	return left, len(left) < len(kept)
}

func digestRecoveryCode(typed string) Digest { return digest("recovery code", unspell(typed)) }
