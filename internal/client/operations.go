package client

import "net/http"

// Prefix is the path that all operations are below.
const Prefix = "/api/v1"

// Operation is one thing that the API can do.
type Operation struct{ Method, Path string }

// The operations that are more than the five that nouns have alike.
var (
	Claim        = Operation{http.MethodPost, "/claim"}
	SignIn       = Operation{http.MethodPost, "/session"}
	SecondFactor = Operation{http.MethodPost, "/session/code"}
	Confirm      = Operation{http.MethodPost, "/session/confirm"}
	SignOut      = Operation{http.MethodDelete, "/session"}
	Profile      = Operation{http.MethodGet, "/profile"}
	StartPlan    = Operation{http.MethodPost, "/plans/{id}/start"}
	RunLog       = Operation{http.MethodGet, "/runs/{id}/log"}
	CancelRun    = Operation{http.MethodPost, "/runs/{id}/cancel"}
	RetryRun     = Operation{http.MethodPost, "/runs/{id}/retry"}
	CreateLink   = Operation{http.MethodPost, "/users/{id}/link"}
	AuditEvents  = Operation{http.MethodGet, "/audit-events"}
	VerifyAudit  = Operation{http.MethodPost, "/audit-events/verify"}
	SignAudit    = Operation{http.MethodPost, "/audit-events/head"}
	ExportAudit  = Operation{http.MethodGet, "/audit-events/export"}

	UpdateSettings    = Operation{http.MethodPatch, "/settings"}
	StartServerBackup = Operation{http.MethodPost, "/settings/backups"}
	ServerBackups     = Operation{http.MethodGet, "/settings/backups"}
	ConfirmClock      = Operation{http.MethodPost, "/clock/confirm"}
)

// Operations lists them.
func Operations() []Operation {
	return []Operation{Claim, SignIn, SecondFactor, Confirm, SignOut, Profile, StartPlan, RunLog, CancelRun, RetryRun, CreateLink, AuditEvents, VerifyAudit, SignAudit, ExportAudit, UpdateSettings, StartServerBackup, ServerBackups, ConfirmClock}
}
