package backstay

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/backstay/backstay/entry"
)

// RestoreState is how far a restore has come.
type RestoreState string

// The states. Of a restore that is planned people decide; the last three are final.
const (
	RestorePlanning  RestoreState = "planning"
	RestorePlanned   RestoreState = "planned"
	RestoreApplying  RestoreState = "applying"
	RestoreDone      RestoreState = "done"
	RestoreFailed    RestoreState = "failed"
	RestoreDiscarded RestoreState = "discarded"
)

// The targets of restores.
const (
	TargetOriginal = "original"
	TargetFolder   = "folder"
)

// conflicts are what may become of what is at the target and differs.
var conflicts = []string{"overwrite", "if-changed", "if-newer", "never", "ask"}

// Restore brings a snapshot, or a part of it, back. First it is planned; people decide about the changes; then just these are applied.
type Restore struct {
	Record
	Placed
	Snapshot  string       `json:"snapshot" doc:"The id of the snapshot"`
	Source    string       `json:"source,omitempty" readOnly:"true"`
	Paths     []string     `json:"paths,omitempty" maxItems:"1000" doc:"What is wanted, from the root of the snapshot; none: all of it"`
	Without   []string     `json:"without,omitempty" readOnly:"true" doc:"What is left out, since the person may not have it"`
	Target    string       `json:"target" enum:"original,folder" doc:"Where to: over the original, or into a folder of the server's machine"`
	Folder    string       `json:"folder,omitempty" maxLength:"4096" doc:"The folder; the whole path of each file is made in it"`
	Conflicts string       `json:"conflicts,omitempty" enum:"overwrite,if-changed,if-newer,never,ask" default:"overwrite" doc:"What becomes of files that are there and differ; ask leaves it to be decided in the plan"`
	State     RestoreState `json:"state" enum:"planning,planned,applying,done,failed,discarded" readOnly:"true"`
	Totals    entry.Totals `json:"totals" readOnly:"true" doc:"What the plan does, by action"`
	Result    entry.Totals `json:"result,omitempty" readOnly:"true" doc:"What was done, by action"`
	Run       string       `json:"run,omitempty" readOnly:"true" doc:"The id of the run that plans or applies it"`
	Failure   *Failure     `json:"failure,omitempty" readOnly:"true"`
	PlannedAt *time.Time   `json:"planned_at,omitempty" readOnly:"true" doc:"What is changed at the target after that is not overwritten"`
	PlanFile  string       `json:"-"` // its name in the data folder; each decision makes a new one
}

// Check says what is wrong with a restore that somebody asks for.
func (r Restore) Check() error {
	switch {
	case r.Target != TargetOriginal && r.Target != TargetFolder:
		return Errorf(Invalid, "there is no target %q", r.Target).WithHint("It is original or folder.").OnField("target")
	case r.Target == TargetOriginal && r.Folder != "":
		return Errorf(Invalid, "what goes to the original place goes into no folder").OnField("folder")
	case r.Target == TargetFolder && (!filepath.IsAbs(r.Folder) || filepath.Clean(r.Folder) != r.Folder || r.Folder == "/"):
		return Errorf(Invalid, "folder %q is not absolute and clean, such as /srv/restored", r.Folder).OnField("folder")
	case !slices.Contains(conflicts, r.Conflicts):
		return Errorf(Invalid, "there is no way %q to handle conflicts", r.Conflicts).WithHint("It is overwrite, if-changed, if-newer, never or ask.").OnField("conflicts")
	}
	return nil
}

// Permission is what somebody needs to have it done.
func (r Restore) Permission() Permission {
	if r.Target == TargetOriginal {
		return RestoreInPlace
	}
	return RestoreElsewhere
}

// Over reports whether nothing more will become of the restore.
func (r Restore) Over() bool {
	return r.State == RestoreDone || r.State == RestoreFailed || r.State == RestoreDiscarded
}
