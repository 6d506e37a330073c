package api_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// canaries are secrets that must be seen nowhere again once they were given or shown.
type canaries struct {
	t       *testing.T
	secrets map[string]string // by what they are
}

func (c *canaries) add(what, secret string) string {
	c.t.Helper()
	if len(secret) < 8 {
		c.t.Fatalf("the %s is %q, which might be anywhere", what, secret)
	}
	c.secrets[what] = secret
	return secret
}

// search fails the test if one of the secrets is in a text, as it is or as bytes are commonly written.
func (c *canaries) search(where, text string) {
	c.t.Helper()
	for what, secret := range c.secrets {
		for form, as := range map[string]string{"plain": secret, "base64": base64.StdEncoding.EncodeToString([]byte(secret))[:len(secret)/3*4], "hexadecimal": hex.EncodeToString([]byte(secret))} {
			if i := strings.Index(text, as); i >= 0 {
				c.t.Errorf("%s shows the %s (%s): ...%q", where, what, form, text[max(0, i-60):i])
			}
		}
	}
}

// TestSecretsAreSeenNowhereAgain gives secrets to everything that takes or makes some, uses it all, and looks for them.
func TestSecretsAreSeenNowhereAgain(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	c := &canaries{t, map[string]string{}}
	c.add("password of a person", servertest.Password)
	ask := func(who *servertest.Client, method, path string, body any) servertest.Answer {
		t.Helper()
		got := who.Ask(t, method, path, body)
		c.search("the answer of "+method+" "+path, string(got.Body))
		if got.Status >= 500 {
			t.Errorf("%s %s = %d %s", method, path, got.Status, got.Body)
		}
		return got
	}
	made := func(path string, body any) string {
		t.Helper()
		var m struct{ ID string }
		got := ask(s.Owner, http.MethodPost, path, body)
		if got.Status >= 300 {
			t.Fatalf("POST %s = %d %s", path, got.Status, got.Body)
		}
		got.Decode(t, &m)
		return m.ID
	}
	// What people give.
	project := made("/projects", map[string]string{"name": "P"})
	key := c.add("key of a storage", "canary-storage-key-0b1c")
	s3 := made("/storages", map[string]any{"name": "S3", "project": project, "location": "s3:http://127.0.0.1:1/bucket", "settings": map[string]string{"secret-access-key": key, "access-key-id": "AKIAPUBLIC", "connections": "1"}})
	folder := made("/storages", map[string]any{"name": "Folder", "project": project, "location": t.TempDir()})
	remote := c.add("password of a source", "canary-source-password-77")
	source := made("/sources", map[string]any{"name": "Remote", "project": project, "kind": "remote", "settings": map[string]string{"location": "s3:http://127.0.0.1:1/bucket", "options": "s3.access-key-id=AKIAPUBLIC\ns3.secret-access-key=" + remote}})
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	local := made("/sources", map[string]any{"name": "Local", "project": project, "kind": "files", "settings": map[string]string{"paths": data}})
	repository := made("/repositories", map[string]any{"name": "R", "project": project, "storage": folder, "password": c.add("password of a repository", "canary-repository-password")})
	made("/identity-providers", map[string]any{"name": "Corp", "issuer": "https://127.0.0.1:1", "client_id": "public", "client_secret": c.add("secret of a client", "canary-client-secret-5f")})
	plan := made("/plans", map[string]any{"name": "Plan", "project": project, "sources": []string{local}, "repositories": []string{repository}, "type": "full", "verify": "full"})

	// What the server makes and shows once.
	var token struct{ ID, Secret string }
	s.Owner.Post(t, "/tokens", map[string]any{"name": "T", "permissions": []string{"source.read"}, "expires_at": time.Now().Add(time.Hour)}, &token)
	c.add("token", token.Secret)
	user := made("/users", map[string]string{"name": "Bob", "email": "bob@example.org"})
	var link struct{ Ticket string }
	s.Owner.Post(t, "/users/"+user+"/link", nil, &link)
	c.add("ticket of a link", link.Ticket)
	ask(s.Client(t), http.MethodPost, "/link", map[string]string{"ticket": link.Ticket, "password": "short"})
	_, session := from(t, "127.0.0.1", s.URL+"/api/v1/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, "")
	c.add("ticket of a session", session)
	var app struct{ ID, Key, Address string }
	s.Owner.Post(t, "/profile/totp", nil, &app)
	c.add("key of an authenticator app", app.Key)
	code, err := totp.GenerateCode(app.Key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var codes struct{ Codes []string }
	s.Owner.Post(t, "/profile/totp/"+app.ID, map[string]string{"code": code}, &codes)
	for i, code := range codes.Codes {
		c.add(fmt.Sprintf("recovery code %d", i), code)
	}
	wrong := c.add("password that was mistyped", "canary-mistyped-password")
	ask(s.Client(t), http.MethodPost, "/session", map[string]string{"email": "ada@example.org", "password": wrong})
	ask(s.Client(t), http.MethodPost, "/session/code", map[string]string{"code": c.add("code that was mistyped", "canary-code-9999")})

	// All of it is used, shown, changed and refused.
	program := s.Client(t)
	program.Token = token.Secret
	ask(program, http.MethodGet, "/sources", nil)
	ask(program, http.MethodDelete, "/sources/"+source, nil)
	run := made("/plans/"+plan+"/start", nil)
	for range 100 {
		var r struct{ State string }
		s.Owner.Get(t, "/runs/"+run, &r)
		if r.State != "pending" && r.State != "running" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	ask(s.Owner, http.MethodPost, "/sources/"+local+"/test", nil)
	ask(s.Owner, http.MethodPatch, "/storages/"+s3, map[string]any{"name": "S3 renamed"})
	ask(s.Owner, http.MethodPatch, "/storages/"+s3, map[string]any{"location": "s3:http://127.0.0.1:2/elsewhere"}).Refused(t, http.StatusUnprocessableEntity, "invalid")
	ask(s.Owner, http.MethodPatch, "/sources/"+source, map[string]any{"settings": map[string]string{"location": "s3:http://127.0.0.1:2/elsewhere"}}).Refused(t, http.StatusUnprocessableEntity, "invalid")
	ask(s.Owner, http.MethodPost, "/repositories", map[string]any{"name": "Other", "project": project, "storage": folder, "adopt": true, "password": c.add("password that is wrong", "canary-wrong-repository")})
	for _, r := range routes(t, s) {
		if r.method == http.MethodGet && !r.about() {
			ask(s.Owner, r.method, r.path, nil)
		}
	}
	for _, path := range []string{"/storages/" + s3, "/sources/" + source, "/repositories/" + repository, "/plans/" + plan, "/runs/" + run, "/runs/" + run + "/log", "/audit-events?limit=1000", "/audit-events/export?format=csv", "/openapi.json"} {
		ask(s.Owner, http.MethodGet, path, nil)
	}

	c.searchServer(s)
	if len(c.secrets) < 15 {
		t.Errorf("only %d secrets were looked for", len(c.secrets))
	}
}

// searchServer looks through all that a server wrote: its log, the console, the files of its folder with the database.
func (c *canaries) searchServer(s *servertest.Server) {
	c.t.Helper()
	c.search("the log", s.Log())
	c.search("the console", s.Console())
	found := false
	err := filepath.WalkDir(s.Data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		c.search("the file "+filepath.Base(path), string(text))
		found = found || strings.Contains(string(text), "AKIAPUBLIC")
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	if !found || !strings.Contains(s.Log(), `"path":"/api/v1/session"`) {
		c.t.Error("what is no secret is not found either: the search looks in the wrong place")
	}
}
