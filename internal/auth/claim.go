package auth

import "io"

// NewClaimCode returns the code that is printed on the console of a server without accounts, and what is kept of it. Whoever reads
// the console may claim the first account: against servers that belong to whoever finds them first. It has 80 bits, so trying is
// hopeless; the caller forgets the digest once the account is claimed, and makes a new one at each start until then.
func NewClaimCode(random io.Reader) (Secret, Digest, error) {
	code, err := spell(random, 4)
	if err != nil {
		return "", "", err
	}
	return code, DigestClaimCode(string(code)), nil
}

// DigestClaimCode returns the digest of a code as somebody typed it, to be compared by Equal.
func DigestClaimCode(typed string) Digest { return digest("claim code", unspell(typed)) }
