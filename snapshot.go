package backstay

import "time"

// Health is what is known of a snapshot in a repository.
type Health string

// The states of health.
const (
	HealthUnverified Health = "unverified"
	HealthGood       Health = "good"
	HealthDamaged    Health = "damaged"
	HealthRepaired   Health = "repaired"
	HealthGone       Health = "gone" // the repository no longer has it, and nobody here removed it
)

// Snapshot is what is known of one snapshot in one repository. The repository is the truth: what can be read there is read anew by a scan.
type Snapshot struct {
	Record
	Placed
	Repository  string     `json:"repository"`
	Handle      string     `json:"handle" doc:"Its id in the repository, as restic shows it"`
	Original    string     `json:"original" doc:"The id that all its copies share"`
	Source      string     `json:"source,omitempty" doc:"The id of the source; none for a snapshot that something else made"`
	Plan        string     `json:"plan,omitempty"`
	Run         string     `json:"run,omitempty"`
	Time        time.Time  `json:"time"`
	Host        string     `json:"host"`
	Paths       []string   `json:"paths"`
	Tags        []string   `json:"tags,omitempty"`
	Type        string     `json:"type,omitempty"`
	Files       int64      `json:"files"`
	Bytes       int64      `json:"bytes"`
	Added       int64      `json:"added" doc:"Bytes that it added to the repository"`
	Protected   bool       `json:"protected" doc:"No retention removes it"`
	KeptUntil   *time.Time `json:"kept_until,omitempty" doc:"Object lock keeps it until then, whatever anybody does"`
	Health      Health     `json:"health" enum:"unverified,good,damaged,repaired,gone"`
	HealthLevel string     `json:"health_level,omitempty" enum:"structure,sample,full" doc:"How much of it was read"`
	HealthAt    *time.Time `json:"health_at,omitempty" doc:"When it was last verified"`
}
