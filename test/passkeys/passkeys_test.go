// Package passkeys_test has a real browser make passkeys and sign in by them, with a device that exists in the browser only.
package passkeys_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/auth"
)

// script is all that a page needs: the options go in as JSON, the answer comes out as JSON.
const script = `
async function ask(path, body) {
	const answer = await fetch(path, {method: "POST", body: body ? JSON.stringify(body) : ""});
	if (!answer.ok) throw new Error(path + ": " + await answer.text());
	return answer.json();
}
async function register() {
	const options = PublicKeyCredential.parseCreationOptionsFromJSON((await ask("/register/begin")).publicKey);
	return (await ask("/register/finish", (await navigator.credentials.create({publicKey: options})).toJSON())).id;
}
async function signIn(path) {
	const options = PublicKeyCredential.parseRequestOptionsFromJSON((await ask(path + "/begin")).publicKey);
	return (await ask(path + "/finish", (await navigator.credentials.get({publicKey: options})).toJSON())).id;
}`

// site is a server with one user. It is asked by one browser, one step after the other.
type site struct {
	keys    *auth.Passkeys
	user    auth.PasskeyUser
	session []byte
}

func (s *site) begin(options, session []byte, err error) ([]byte, error) {
	s.session = session
	return options, err
}

func (s *site) finish(p auth.Passkey, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	s.user.Passkeys = [][]byte{p.Record}
	return json.Marshal(map[string]string{"id": p.ID})
}

func (s *site) find(handle []byte) (auth.PasskeyUser, error) {
	if string(handle) != string(s.user.Handle) {
		return auth.PasskeyUser{}, errors.New("nobody has this handle")
	}
	return s.user, nil
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var answer []byte
	var err error
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><title>site</title><script>%s</script>", script)
		return
	case "/register/begin":
		answer, err = s.begin(s.keys.BeginRegister(s.user))
	case "/register/finish":
		answer, err = s.finish(s.keys.FinishRegister(s.user, s.session, body))
	case "/known/begin":
		answer, err = s.begin(s.keys.BeginSignIn(s.user))
	case "/known/finish":
		answer, err = s.finish(s.keys.FinishSignIn(s.user, s.session, body))
	case "/unknown/begin":
		answer, err = s.begin(s.keys.BeginDiscover())
	case "/unknown/finish":
		answer, err = s.finish(s.keys.FinishDiscover(s.session, body, s.find))
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	_, _ = w.Write(answer)
}

// open starts a site and a browser that shows it, with a device that has a finger on it.
func open(t *testing.T) (context.Context, webauthn.AuthenticatorID, *site) {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed; scripts/prerequisites.sh installs it")
	}
	s := &site{user: auth.PasskeyUser{Handle: []byte("handle of ada"), Name: "ada@example.com", FullName: "Ada Lovelace"}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	address := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) // passkeys need a name
	if s.keys, err = auth.NewPasskeys("localhost", "Backstay", []string{address}, clock.System); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	device, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, device.AuthenticatorID, s
}

func run(ctx context.Context, call string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string](call, chromedp.EvalAwaitPromise))
}

func TestABrowserRegistersAPasskeyAndSignsIn(t *testing.T) {
	ctx, _, _ := open(t)
	made, err := run(ctx, "register()")
	if err != nil || made == "" {
		t.Fatalf("register = %q, %v", made, err)
	}
	for _, call := range []string{`signIn("/known")`, `signIn("/unknown")`, `signIn("/known")`} {
		if id, err := run(ctx, call); err != nil || id != made {
			t.Errorf("%s = %q, %v, want %q", call, id, err, made)
		}
	}
	if id, err := run(ctx, "register()"); err == nil {
		t.Errorf("a second passkey on the same device was made: %q", id)
	}
}

func TestABrowsersAnswerThatIsBrokenIsRefused(t *testing.T) {
	ctx, device, _ := open(t)
	if _, err := run(ctx, "register()"); err != nil {
		t.Fatal(err)
	}
	yes := true
	for name, bits := range map[string]webauthn.SetResponseOverrideBitsParams{
		"a signature of nothing":      {IsBogusSignature: &yes},
		"an owner who wasn't checked": {IsBadUV: &yes},
		"a device nobody touched":     {IsBadUP: &yes},
	} {
		bits.AuthenticatorID = device
		if _, err := chromedp.Call(ctx, webauthn.SetResponseOverrideBits, bits); err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{`signIn("/known")`, `signIn("/unknown")`} {
			if id, err := run(ctx, call); err == nil || !strings.Contains(err.Error(), auth.ErrPasskeyRefused.Error()) {
				t.Errorf("%s by %s = %q, %v, want ErrPasskeyRefused from the server", name, call, id, err)
			}
		}
	}
	if _, err := chromedp.Call(ctx, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: device}); err != nil {
		t.Fatal(err)
	}
	if _, err := run(ctx, `signIn("/known")`); err != nil {
		t.Errorf("after all that the passkey itself doesn't sign in: %v", err)
	}
}
