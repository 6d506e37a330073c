package backstay

import (
	"net/url"
	"slices"
	"time"

	"github.com/backstay/backstay/schedule"
)

// Settings are those of the server itself.
type Settings struct {
	Name            string     `json:"name" maxLength:"100" default:"Backstay" doc:"What this installation is called, in pages and messages"`
	URL             string     `json:"url,omitempty" format:"uri" doc:"The address that people reach it by, for links in messages and for passkeys"`
	MFARoles        []RoleName `json:"mfa_roles,omitempty" doc:"Whoever has one of these roles needs a second factor"`
	SessionIdle     Minutes    `json:"session_idle_minutes" minimum:"5" maximum:"10080" default:"720" doc:"A session that nobody used for so long is over"`
	SessionMax      Minutes    `json:"session_max_minutes" minimum:"15" maximum:"43200" default:"10080" doc:"A session is over after so long"`
	FreshFor        Minutes    `json:"fresh_minutes" minimum:"1" maximum:"60" default:"10" doc:"For so long after a confirmation what is dangerous needs no other one"`
	CheckBreaches   bool       `json:"check_breaches" doc:"New passwords are looked up in the list of haveibeenpwned.com, by a part of their hash"`
	PrivateNetworks bool       `json:"private_networks" doc:"Storages and channels may be in private networks"`
	Hooks           bool       `json:"hooks" doc:"Plans may run commands on this machine. Only the owner can switch it on"`
	// The server backs itself up: people, rights, plans, and all else that no repository knows.
	BackupRepository string            `json:"backup_repository,omitempty" maxLength:"64" doc:"The id of the repository that the server backs its own settings up to; none: it does not"`
	BackupSchedule   schedule.Schedule `json:"backup_schedule,omitzero" doc:"When it does. By default once a day"`
	KeepRunsDays     int               `json:"keep_runs_days" minimum:"1" default:"400" doc:"Records of runs, restores and resolved alerts are removed after so many days"`
	Version          int64             `json:"version" readOnly:"true"`
}

// Minutes are a duration as people set it.
type Minutes int

// Duration is the same as the standard library has it.
func (m Minutes) Duration() time.Duration { return time.Duration(m) * time.Minute }

// DefaultSettings hold until somebody changes them.
var DefaultSettings = Settings{Name: "Backstay", SessionIdle: 720, SessionMax: 10080, FreshFor: 10, PrivateNetworks: true, KeepRunsDays: 400}

// Check says what is wrong with settings.
func (s Settings) Check() error {
	if err := checkName("server", s.Name); err != nil {
		return err
	}
	if u, err := url.Parse(s.URL); s.URL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Hostname() != "localhost") {
		return Errorf(Invalid, "%q is no address that people could reach the server by", s.URL).WithHint("Give one such as https://backup.example.org.").OnField("url")
	}
	for _, role := range s.MFARoles {
		if !slices.Contains(builtIn, role) {
			return Errorf(Invalid, "there is no built-in role %q", role).OnField("mfa_roles")
		}
	}
	if err := s.ServerSchedule().Check(); err != nil {
		return Errorf(Invalid, "schedule of the server's backups: %w", err).OnField("backup_schedule")
	}
	for field, m := range map[string]Minutes{"session_idle_minutes": s.SessionIdle, "session_max_minutes": s.SessionMax, "fresh_minutes": s.FreshFor} {
		if m < 1 {
			return Errorf(Invalid, "%d minutes are too short", m).OnField(field)
		}
	}
	return nil
}

// ServerSchedule is when the server backs itself up.
func (s Settings) ServerSchedule() schedule.Schedule {
	if s.BackupSchedule.Every == "" {
		return schedule.Schedule{Every: "day", At: "01:30", CatchUp: true}
	}
	return s.BackupSchedule
}
