package backstay

import "time"

// Project keeps sources, storages, repositories, plans and the people who may use them apart from those of others.
type Project struct {
	Record
	Name  string `json:"name" maxLength:"100"`
	Help  string `json:"help,omitempty" maxLength:"1000" doc:"A sentence: what is in it"`
	Scope Scope  `json:"scope" readOnly:"true"`
}

// Check says what is wrong with a project.
func (p Project) Check() error { return checkName("project", p.Name) }

// Source is something that is protected.
type Source struct {
	Record
	Placed
	Name     string            `json:"name" maxLength:"100"`
	Kind     string            `json:"kind" doc:"Such as files; GET /api/v1/source-kinds lists them with their settings"`
	Settings map[string]string `json:"settings" doc:"By the names of the kind's fields. Secrets are taken and never shown: leave one out to keep it"`
	Secrets  []string          `json:"secrets" readOnly:"true" bun:"-" doc:"The names of the secret settings that are set"`
	Local    bool              `json:"local" readOnly:"true" doc:"An administrator of the server made it: it may use what is on the server's machine"`
	Sealed   string            `json:"-"`
}

// Check says what is wrong with a source. Its settings are checked by its kind.
func (s Source) Check() error { return checkName("source", s.Name) }

// Module is a named part of a source, such as some of its folders, that is backed up, restored and granted as one.
type Module struct {
	Record
	Placed
	Name   string   `json:"name" maxLength:"100"`
	Source string   `json:"source" doc:"The id of the source it is a part of"`
	Paths  []string `json:"paths" doc:"Which folders and files of the source belong to it"`
}

// Check says what is wrong with a module.
func (m Module) Check() error {
	if len(m.Paths) == 0 {
		return Errorf(Invalid, "module %q holds nothing", m.Name).WithHint("Name at least one path.").OnField("paths")
	}
	return checkName("module", m.Name)
}

// Storage is a place that holds repositories.
type Storage struct {
	Record
	Placed
	Name     string            `json:"name" maxLength:"100"`
	Location string            `json:"location" doc:"Such as /srv/backup, s3:host/bucket/prefix or sftp:user@host:/path"`
	Settings map[string]string `json:"settings" doc:"By the names of the kind's fields. Secrets are taken and never shown: leave one out to keep it"`
	Secrets  []string          `json:"secrets" readOnly:"true" bun:"-" doc:"The names of the secret settings that are set"`
	Limit    int64             `json:"limit,omitempty" minimum:"0" doc:"Bytes that it is to hold at most; an alert tells when it is above. 0: no limit"`
	Upload   string            `json:"upload,omitempty" doc:"KiB per second at most, as in 1024 or 1024,08:00-18:00=256"`
	Download string            `json:"download,omitempty" doc:"As upload"`
	Parallel int               `json:"parallel,omitempty" minimum:"0" maximum:"64" doc:"Runs that use it at the same time at most; 0: no limit of its own"`
	Local    bool              `json:"local" readOnly:"true" doc:"An administrator of the server made it: it may be on the server's machine and in private networks"`
	Sealed   string            `json:"-"`
}

// Check says what is wrong with a storage. Its location and settings are checked by its kind.
func (s Storage) Check() error {
	if s.Location == "" {
		return Errorf(Invalid, "the storage has no location").OnField("location")
	}
	return checkName("storage", s.Name)
}

// Repository is a store of snapshots in the restic format within a storage, with a password.
type Repository struct {
	Record
	Placed
	Name       string `json:"name" maxLength:"100"`
	Storage    string `json:"storage" doc:"The id of the storage it lies in"`
	Path       string `json:"path,omitempty" doc:"The folder within the storage; none for the storage's own location"`
	Password   string `json:"password,omitempty" writeOnly:"true" bun:"-" doc:"Of an existing repository; for a new one, by default a random one"`
	Adopt      bool   `json:"adopt,omitempty" writeOnly:"true" bun:"-" doc:"The repository is there already, such as one that restic made"`
	Format     string `json:"format" readOnly:"true" doc:"The id that stands in the repository itself"`
	VerifyDays int    `json:"verify_days" minimum:"0" maximum:"3650" doc:"Within so many days each stored byte is read and checked again; 0: never"`
	// What was last known of it.
	Bytes      int64      `json:"bytes" readOnly:"true" doc:"What its files take in the storage"`
	Snapshots  int64      `json:"snapshots" readOnly:"true" doc:"How many it holds"`
	VerifiedAt *time.Time `json:"verified_at,omitempty" readOnly:"true" doc:"All that it holds was read and checked since"`
	Sealed     string     `json:"-"`
}

// Check says what is wrong with a repository.
func (r Repository) Check() error {
	if r.Storage == "" {
		return Errorf(Invalid, "repository %q lies in no storage", r.Name).OnField("storage")
	}
	return checkName("repository", r.Name)
}
