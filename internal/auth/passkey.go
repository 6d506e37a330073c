package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/backstay/backstay/clock"
)

// passkeyTime is how long a person may look for the key or the finger.
const passkeyTime = 5 * time.Minute

// Why a passkey proves nothing.
var (
	ErrPasskeyRefused = errors.New("passkey: the browser's answer doesn't prove who it is")
	ErrPasskeyExpired = errors.New("passkey: too much time has passed since it was asked for")
	// ErrPasskeyCloned means that the passkey has signed less often than it did before: there are two of it, and one isn't its owner's.
	ErrPasskeyCloned = errors.New("passkey: its counter went back, so there is a copy of it")
)

// Passkeys asks browsers for passkeys (WebAuthn) and checks what they answer. A passkey signs for the name of this server only, so
// a page that looks like it gets nothing of use; and its device has seen its owner's finger, face or PIN, so a stolen device alone
// proves nothing: a passkey is two factors.
//
// Registration and sign-in are two steps each. Begin returns options for the browser's navigator.credentials and a session, which the
// caller keeps at the server, bound to the browser by a cookie, and hands to Finish once only: against answers that were caught and
// sent again.
type Passkeys struct {
	web   *webauthn.WebAuthn
	clock clock.Clock
}

// PasskeyUser is whom a passkey belongs to.
type PasskeyUser struct {
	Handle   []byte   // 64 bytes at most that say nothing about the person: it is kept on the device, readable by others
	Name     string   // what the device shows, such as an e-mail address
	FullName string   // shown beside it
	Passkeys [][]byte // the Records of all that the person has
}

// Passkey is what is stored of one.
type Passkey struct {
	ID     string // base64url, unique
	Record []byte // JSON: the public key, the counter of signatures, flags; after each sign-in it is stored anew
	Synced bool   // it is kept by a password manager or a cloud, and not bound to one device
}

// NewPasskeys checks passkeys of the server that is called name, under the host name id, at these origins, such as
// "http://localhost:8080" or "https://backup.example.com". Browsers refuse addresses (127.0.0.1) as a host name.
func NewPasskeys(id, name string, origins []string, c clock.Clock) (*Passkeys, error) {
	web, err := webauthn.New(&webauthn.Config{
		RPID:          id,
		RPDisplayName: name,
		RPOrigins:     origins,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey:      protocol.ResidentKeyRequirementRequired, // so that it signs in without a name
			UserVerification: protocol.VerificationRequired,
		},
		AttestationPreference: protocol.PreferNoAttestation, // which make of device it is concerns nobody
		Timeouts: webauthn.TimeoutsConfig{ // told to the browser; the session is limited by our own clock
			Login:        webauthn.TimeoutConfig{Timeout: passkeyTime},
			Registration: webauthn.TimeoutConfig{Timeout: passkeyTime},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys for %q: %w", id, err)
	}
	return &Passkeys{web: web, clock: c}, nil
}

// BeginRegister asks for a new passkey of the user, on a device that has none of theirs.
func (p *Passkeys) BeginRegister(u PasskeyUser) (options, session []byte, err error) {
	user, err := newUser(u)
	if err != nil {
		return nil, nil, err
	}
	creation, data, err := p.web.BeginRegistration(user, webauthn.WithExclusions(webauthn.Credentials(user.credentials).CredentialDescriptors()))
	if err != nil {
		return nil, nil, fmt.Errorf("ask for a new passkey: %w", err)
	}
	return p.pack(toRegister, creation, data)
}

// FinishRegister checks the browser's answer and returns the passkey, to be stored as the user's unless its ID is there already.
func (p *Passkeys) FinishRegister(u PasskeyUser, session, answer []byte) (Passkey, error) {
	data, err := p.unpack(toRegister, session)
	if err != nil {
		return Passkey{}, err
	}
	user, err := newUser(u)
	if err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Passkey{}, refused(err)
	}
	credential, err := p.web.CreateCredential(user, data, parsed)
	if err != nil {
		return Passkey{}, refused(err)
	}
	return newPasskey(credential)
}

// BeginSignIn asks for one of the user's passkeys, as a second factor or a fresh one. A user without passkeys is an error.
func (p *Passkeys) BeginSignIn(u PasskeyUser) (options, session []byte, err error) {
	user, err := newUser(u)
	if err != nil {
		return nil, nil, err
	}
	assertion, data, err := p.web.BeginLogin(user)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	return p.pack(toSignIn, assertion, data)
}

// FinishSignIn checks the browser's answer against the user's passkeys and returns the one that signed, to be stored anew.
func (p *Passkeys) FinishSignIn(u PasskeyUser, session, answer []byte) (Passkey, error) {
	data, err := p.unpack(toSignIn, session)
	if err != nil {
		return Passkey{}, err
	}
	user, err := newUser(u)
	if err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Passkey{}, refused(err)
	}
	return signedIn(p.web.ValidateLogin(user, data, parsed))
}

// BeginDiscover asks for any passkey of this server: its device says whose it is. Nothing is told about which accounts there are.
func (p *Passkeys) BeginDiscover() (options, session []byte, err error) {
	assertion, data, err := p.web.BeginDiscoverableLogin()
	if err != nil {
		return nil, nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	return p.pack(toDiscover, assertion, data)
}

// FinishDiscover checks the browser's answer against the passkeys of the user that find returns for a handle, and returns the one
// that signed, to be stored anew. Whoever find returned is who signed in, if there is no error; an error of find is returned as it is.
func (p *Passkeys) FinishDiscover(session, answer []byte, find func(handle []byte) (PasskeyUser, error)) (Passkey, error) {
	data, err := p.unpack(toDiscover, session)
	if err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Passkey{}, refused(err)
	}
	owner, err := lookup(find, parsed.Response.UserHandle)
	if err != nil {
		return Passkey{}, err
	}
	return signedIn(p.web.ValidateDiscoverableLogin(owner, data, parsed))
}

// signedIn turns away a copy of a passkey, which the library only marks.
func signedIn(c *webauthn.Credential, err error) (Passkey, error) {
	if err != nil {
		return Passkey{}, refused(err)
	}
	if c.Authenticator.CloneWarning {
		return Passkey{}, ErrPasskeyCloned
	}
	return newPasskey(c)
}

// lookup asks find, whose errors are no fault of the answer, before the library does.
func lookup(find func([]byte) (PasskeyUser, error), handle []byte) (webauthn.DiscoverableUserHandler, error) {
	u, err := find(handle)
	if err != nil {
		return nil, err
	}
	user, err := newUser(u)
	if err != nil {
		return nil, err
	}
	return func(_, _ []byte) (webauthn.User, error) { return user, nil }, nil
}

func refused(err error) error { return fmt.Errorf("%w: %w", ErrPasskeyRefused, err) }

func newPasskey(c *webauthn.Credential) (Passkey, error) {
	record, err := json.Marshal(c)
	if err != nil {
		return Passkey{}, fmt.Errorf("write a passkey: %w", err)
	}
	return Passkey{ID: base64.RawURLEncoding.EncodeToString(c.ID), Record: record, Synced: c.Flags.BackupEligible}, nil
}

// What a session is for: who may ask for a sign-in may not be one who may add a passkey.
const (
	toRegister = "register"
	toSignIn   = "sign in"
	toDiscover = "discover"
)

// passkeySession is what is kept between the two steps.
type passkeySession struct {
	For   string
	Until time.Time
	Data  webauthn.SessionData
}

func (p *Passkeys) pack(use string, options any, data *webauthn.SessionData) (forBrowser, session []byte, err error) {
	if forBrowser, err = json.Marshal(options); err != nil {
		return nil, nil, fmt.Errorf("write the question for a passkey: %w", err)
	}
	if session, err = json.Marshal(passkeySession{For: use, Until: p.clock.Now().Add(passkeyTime), Data: *data}); err != nil {
		return nil, nil, fmt.Errorf("write the question for a passkey: %w", err)
	}
	return forBrowser, session, nil
}

func (p *Passkeys) unpack(use string, session []byte) (webauthn.SessionData, error) {
	var s passkeySession
	if err := json.Unmarshal(session, &s); err != nil {
		return webauthn.SessionData{}, fmt.Errorf("read the question for a passkey: %w", err)
	}
	if s.For != use {
		return webauthn.SessionData{}, fmt.Errorf("%w: it was asked for to %s, not to %s", ErrPasskeyRefused, s.For, use)
	}
	if p.clock.Now().After(s.Until) {
		return webauthn.SessionData{}, ErrPasskeyExpired
	}
	return s.Data, nil
}

// user is a PasskeyUser as the library wants it.
type user struct {
	PasskeyUser
	credentials []webauthn.Credential
}

func newUser(u PasskeyUser) (*user, error) {
	if len(u.Handle) == 0 {
		return nil, errors.New("the user of a passkey has no handle")
	}
	all := make([]webauthn.Credential, len(u.Passkeys))
	for i, record := range u.Passkeys {
		if err := json.Unmarshal(record, &all[i]); err != nil {
			return nil, fmt.Errorf("read a stored passkey: %w", err)
		}
	}
	return &user{u, all}, nil
}

func (u *user) WebAuthnID() []byte                         { return bytes.Clone(u.Handle) }
func (u *user) WebAuthnName() string                       { return u.Name }
func (u *user) WebAuthnDisplayName() string                { return u.FullName }
func (u *user) WebAuthnCredentials() []webauthn.Credential { return slices.Clone(u.credentials) }
