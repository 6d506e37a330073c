package backstay

import (
	"encoding/json"
	"time"
)

// Result is how an audited action ended.
type Result string

// The results.
const (
	ResultAllowed Result = "allowed" // it was done
	ResultDenied  Result = "denied"  // they may not
	ResultFailed  Result = "failed"  // they may, and it went wrong
)

// AuditEvent is one line of the audit trail: who did what to which thing, with what result. It is never changed; each one carries
// the hash of the one before.
type AuditEvent struct {
	Seq       int64           `json:"seq" bun:",pk" doc:"Counts from 1 without gaps"`
	Time      time.Time       `json:"time"`
	ActorKind ActorKind       `json:"actor_kind" enum:"nobody,user,token,system"`
	Actor     string          `json:"actor,omitempty" doc:"The id of the person"`
	ActorName string          `json:"actor_name,omitempty"`
	Token     string          `json:"token,omitempty" doc:"The id of the API token that was used"`
	Method    string          `json:"method,omitempty" doc:"How the person had signed in"`
	MFA       bool            `json:"mfa"`
	IP        string          `json:"ip,omitempty"`
	UserAgent string          `json:"user_agent,omitempty"`
	Request   string          `json:"request,omitempty" doc:"The id of the request, as in the logs"`
	Project   string          `json:"project,omitempty"`
	Action    string          `json:"action" doc:"Such as plan.updated or access.denied"`
	Object    string          `json:"object,omitempty" doc:"The kind of thing, such as plan"`
	ObjectID  string          `json:"object_id,omitempty"`
	Name      string          `json:"name,omitempty" doc:"What the thing was called at that time"`
	Result    Result          `json:"result" enum:"allowed,denied,failed"`
	Reason    string          `json:"reason,omitempty" doc:"Why it was denied or failed, or what the person wrote"`
	Before    json.RawMessage `json:"before,omitempty" doc:"The thing before the change, secrets masked"`
	After     json.RawMessage `json:"after,omitempty" doc:"The thing after the change, secrets masked"`
	Run       string          `json:"run,omitempty" doc:"The id of the run it was part of"`
	Hash      string          `json:"hash" doc:"Of this event and the one before, in hexadecimal digits"`
}
