package entry

// Action is what a restore does, or did, to one path.
type Action string

// The actions of a plan. Conflict stands for a decision that a person has yet to take.
const (
	Create    Action = "create"    // nothing is there
	Overwrite Action = "overwrite" // something else is there and gives way
	Update    Action = "update"    // content is equal; times, owner, mode or attributes are set
	Skip      Action = "skip"      // left as it is; Reason says why
	Unchanged Action = "unchanged" // equal already
	Delete    Action = "delete"    // the snapshot does not have it
	Conflict  Action = "conflict"  // to be asked
	Failed    Action = "failed"    // only in reports: it could not be done; Reason says why
)

// Change is one line of a restore plan, and of the report of what was done.
type Change struct {
	Path    string `json:"path"` // in the target, slash-separated; raw bytes, quoted as in the repository
	Type    Type   `json:"type"`
	Action  Action `json:"action"`
	Size    uint64 `json:"size,omitempty"`     // bytes the entry has in the snapshot
	Old     uint64 `json:"old_size,omitempty"` // bytes of what is there now
	Without Loss   `json:"without,omitempty"`  // what the target can't hold of the entry
	Reason  string `json:"reason,omitempty"`
}
