package backstay

import "time"

// AlertKind is what an alert is about.
type AlertKind string

// The kinds of alerts.
const (
	AlertRunFailed          AlertKind = "run-failed"           // the last backup of a plan did not succeed
	AlertBackupOverdue      AlertKind = "backup-overdue"       // a plan has made no good backup for two periods of its schedule
	AlertRunUnusual         AlertKind = "run-unusual"          // a backup was much slower, larger or smaller than those before
	AlertScheduleMissed     AlertKind = "schedule-missed"      // a backup was due and nobody was there to do it
	AlertVerificationFailed AlertKind = "verification-failed"  // a repository is damaged, or could not be verified
	AlertStorageLimit       AlertKind = "storage-limit"        // a storage holds more than it should
	AlertTokenExpiring      AlertKind = "token-expiring"       // an API token is refused soon
	AlertCertificate        AlertKind = "certificate-expiring" // browsers and programs refuse the server's certificate soon
	AlertSinkFailing        AlertKind = "audit-sink-failing"   // a receiver of the audit trail takes nothing
	AlertServerBackup       AlertKind = "server-backup"        // the server's backup of itself failed, or is too old
)

// Alert is something that somebody has to look at. It stays open until what it says is no longer so; there is one open alert of a kind about
// a thing.
type Alert struct {
	Record
	Placed
	Kind           AlertKind  `json:"kind" enum:"run-failed,backup-overdue,run-unusual,schedule-missed,verification-failed,storage-limit,token-expiring,certificate-expiring,audit-sink-failing,server-backup"`
	Severity       Severity   `json:"severity" enum:"info,warning,error,critical"`
	Plan           string     `json:"plan,omitempty" doc:"The id of the plan that it is about"`
	Object         string     `json:"object" doc:"The kind of thing that it is about, such as plan"`
	ObjectID       string     `json:"object_id"`
	Name           string     `json:"name" doc:"What the thing was called when the alert was opened"`
	Run            string     `json:"run,omitempty" doc:"The id of the run that showed it"`
	Text           string     `json:"text" doc:"What is wrong"`
	Next           string     `json:"next" doc:"What to do about it"`
	CleanUp        []CleanUp  `json:"clean_up,omitempty" doc:"Of a storage above its limit: what could be removed"`
	OpenedAt       time.Time  `json:"opened_at"`
	ResolvedAt     *time.Time `json:"resolved_at,omitempty" doc:"None while it is open"`
	AcknowledgedBy string     `json:"acknowledged_by,omitempty" doc:"The id of the person who takes care of it"`
	AcknowledgedAt *time.Time `json:"acknowledged_at,omitempty" doc:"From then on nobody is reminded"`
	Open           bool       `json:"open" doc:"What it says is still so"`
}

// CleanUp is something that could be removed to free space.
type CleanUp struct {
	Object string    `json:"object" enum:"repository,snapshot"`
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Time   time.Time `json:"time,omitzero" doc:"Of a snapshot"`
	Bytes  int64     `json:"bytes" doc:"What it frees: of a repository all that it holds, of a snapshot at most what it added"`
}
