package backstay

import "time"

// AuditSink is a receiver of the audit trail outside of the server: it gets every event, from the first one on, in their order, each at least
// once, and signed heads of the trail.
type AuditSink struct {
	Record
	Name     string            `json:"name" maxLength:"100"`
	Kind     string            `json:"kind" doc:"syslog or webhook; GET /api/v1/audit-sink-kinds lists them with their settings"`
	Settings map[string]string `json:"settings" doc:"By the names of the kind's fields. Secrets are taken and never shown: leave one out to keep it"`
	Secrets  []string          `json:"secrets" readOnly:"true" bun:"-" doc:"The names of the secret settings that are set"`
	Local    bool              `json:"local" readOnly:"true" doc:"Who may reach everything made it: it may be on the server's own machine"`
	Status   SinkStatus        `json:"status" readOnly:"true" bun:"-"`
	Sealed   string            `json:"-"`
}

// Check says what is wrong with a sink. Its settings are checked by its kind.
func (s AuditSink) Check() error { return checkName("audit sink", s.Name) }

// SinkState is how a sink is.
type SinkState string

// The states of sinks.
const (
	SinkCurrent SinkState = "current" // it has all there is
	SinkBehind  SinkState = "behind"  // it is being sent what it lacks
	SinkFailing SinkState = "failing" // the last attempt went wrong; it is tried again
)

// SinkStatus is how far a sink has come.
type SinkStatus struct {
	State        SinkState  `json:"state" enum:"current,behind,failing"`
	Sent         int64      `json:"sent" doc:"The number of the last event that it has"`
	Lag          int64      `json:"lag" doc:"How many events it lacks"`
	SentAt       *time.Time `json:"sent_at,omitempty" doc:"When it last took something"`
	SignedAt     *time.Time `json:"signed_at,omitempty" doc:"When the last signed head that it has was signed"`
	Error        string     `json:"error,omitempty" doc:"Why the last attempt failed"`
	Attempts     int        `json:"attempts" doc:"How many have failed since the last good one"`
	FailingSince *time.Time `json:"failing_since,omitempty"`
	Next         *time.Time `json:"next,omitempty" doc:"Of one that is failing: when it is tried next"`
}
