package api_test

import (
	"net/http"
	"strings"
	"time"
)

// request is what is sent for an operation about the first project. What is allowed must go wrong, if it can, after the question whether it is.
func (w *world) request(r route) (path string, body any, header []string) {
	id := w.things[r.many()].id
	path = strings.NewReplacer("{id}", id, "{backupId}", id, "{other}", id).Replace(r.path)
	name := func() string { return "canary-one " + r.many() }
	switch r.id {
	case "claim":
		body = map[string]string{"code": "x", "name": "x", "email": "x@example.org", "password": "x"}
	case "sign-in":
		body = map[string]string{"email": "x@example.org", "password": "x"}
	case "second-factor":
		body = map[string]string{"code": "x"}
	case "finish-passkey":
		body = map[string]any{"name": "x", "answer": map[string]string{}}
	case "finish-passkey-sign-in", "finish-passkey-confirm":
		body = map[string]any{"answer": map[string]string{}}
	case "begin-identity", "begin-identity-sign-in":
		body = map[string]string{"provider": "nothing"}
	case "forgot-password":
		body = map[string]string{"email": "x@example.org"}
	case "use-link":
		body = map[string]string{"ticket": "x", "password": "x"}
	case "confirm":
		body = map[string]string{"password": "x"}
	case "accept-kit-risk":
		body = map[string]string{"reason": "a test machine"}
	case "change-password", "add-repository-key":
		body = map[string]string{"password": "short"}
	case "confirm-totp":
		body = map[string]string{"code": "123456"}
		path = strings.ReplaceAll(r.path, "{id}", "nothing")
	case "delete-factor":
		path = strings.ReplaceAll(r.path, "{id}", "nothing")
	case "list-sessions", "list-tokens":
		path += "?user=" + w.victim.id
	case "delete-session":
		path = strings.ReplaceAll(r.path, "{id}", w.session.ID)
	case "delete-token":
		path = strings.ReplaceAll(r.path, "{id}", w.token.ID)
	case "create-token":
		body = map[string]any{"name": "x", "permissions": []string{"report.read"}, "expires_at": time.Now().Add(time.Hour)}
	case "update-profile":
		body = map[string]string{"zone": "Europe/Berlin"}
	case "create-user":
		body = map[string]string{"name": "x", "email": "victim@example.org"}
	case "create-group":
		body = map[string]any{"name": "A group", "members": []string{}}
	case "create-identity-provider":
		body = w.corp.body()
	case "create-role":
		body = map[string]any{"name": "A role", "permissions": []string{"report.read"}}
	case "create-grant":
		body = map[string]any{"subject_kind": "user", "subject": "victim", "role": "viewer", "scope": "/project/" + w.one}
	case "create-project":
		body = map[string]string{"name": name()}
	case "create-source":
		body = map[string]any{"name": name(), "project": w.one, "kind": "remote", "settings": map[string]string{"location": "sftp:user@backup.example.org:/srv"}}
	case "create-module":
		body = map[string]any{"name": name(), "project": w.one, "source": w.things["sources"].id, "paths": []string{"/nowhere"}}
	case "create-storage":
		body = map[string]any{"name": name(), "project": w.one, "location": "sftp:user@backup.example.org:/srv"}
	case "create-repository":
		body = map[string]any{"name": name(), "project": w.one, "storage": "nowhere"}
	case "create-plan":
		body = map[string]any{"name": name(), "project": w.one, "sources": []string{w.things["sources"].id}, "repositories": []string{w.things["repositories"].id}, "type": "full"}
	case "start-plan":
		body = map[string]any{"repositories": []string{"nowhere"}}
	case "verify-repository":
		body = map[string]string{"level": "structure"}
	case "create-audit-sink":
		body = map[string]any{"name": "x", "kind": "syslog", "settings": map[string]string{}}
	case "verify-audit":
		body = map[string]any{}
	case "plan-restore":
		body = map[string]any{"snapshot": id, "target": "original", "paths": []string{"/nowhere"}}
	case "preview-retention":
		body = map[string]any{"plan": id, "policy": map[string]any{"last": "1"}}
	case "tag-snapshot":
		body = map[string]any{"remove": []string{"nobodys"}}
	case "decide-restore":
		body = map[string]any{"action": "create", "decision": "skip"}
	case "create-channel":
		body = map[string]any{"name": name(), "project": w.one, "kind": "webhook", "settings": map[string]string{}}
	case "create-notification-rule":
		body = map[string]any{"project": w.one, "channel": "nowhere", "events": []string{"*"}}
	case "backup-create-schedule":
		body = map[string]any{"name": name(), "frequency": "daily", "repositories": []string{w.things["repositories"].id}, "sources": []string{"nowhere"}}
	default:
		path += w.query(r, id)
		if r.method == http.MethodPatch {
			body = map[string]any{}
		}
	}
	if r.method == http.MethodPatch || r.method == http.MethodDelete || r.id == "apply-restore" {
		header = []string{"If-Match", `"99999"`}
	}
	return path, body, header
}
