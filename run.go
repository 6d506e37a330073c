package backstay

import "time"

// RunKind is what a run does.
type RunKind string

// The kinds of runs.
const (
	RunBackup       RunKind = "backup"
	RunRestore      RunKind = "restore"
	RunVerification RunKind = "verification"
	RunCopy         RunKind = "copy"
	RunForget       RunKind = "forget"
	RunPrune        RunKind = "prune"
	RunCatalogue    RunKind = "catalogue"
	RunServer       RunKind = "server" // backs up what the server itself knows
)

// RunState is how far a run has come.
type RunState string

// The states. The first two may change; the others are how a run ended.
const (
	Pending   RunState = "pending"
	Running   RunState = "running"
	Succeeded RunState = "succeeded"
	RanPartly RunState = "partial" // some repositories have it, others don't
	Warned    RunState = "warning" // done, but some files could not be read
	RunFailed RunState = "failed"
	Stopped   RunState = "cancelled"
	Missed    RunState = "missed" // it was due and nobody was there to do it
)

// Ended reports whether the state is final.
func (s RunState) Ended() bool { return s != Pending && s != Running }

// Good reports whether a run that ended so made what it was to make.
func (s RunState) Good() bool { return s == Succeeded || s == Warned }

// Run is one execution of anything, and its place in the queue.
type Run struct {
	Record
	Placed
	Kind         RunKind    `json:"kind" enum:"backup,restore,verification,copy,forget,prune,catalogue,server"`
	State        RunState   `json:"state" enum:"pending,running,succeeded,partial,warning,failed,cancelled,missed"`
	Plan         string     `json:"plan,omitempty" doc:"The id of the plan it belongs to"`
	Sources      []string   `json:"sources,omitempty"`
	Modules      []string   `json:"modules,omitempty" doc:"Only these parts of the sources"`
	Repositories []string   `json:"repositories,omitempty"`
	Snapshots    []string   `json:"snapshots,omitempty" doc:"The snapshots it works on"`
	Type         string     `json:"type,omitempty" enum:"full,incremental,differential" doc:"Of a backup"`
	Options      RunOptions `json:"options,omitzero"`
	Trigger      string     `json:"trigger" enum:"schedule,person,retry,server" doc:"Why it was started"`
	DueAt        time.Time  `json:"due_at" doc:"Not started before"`
	StartedAt    *time.Time `json:"started_at,omitempty"`
	EndedAt      *time.Time `json:"ended_at,omitempty"`
	Attempt      int        `json:"attempt" doc:"Which try it is, from 1"`
	RetryOf      string     `json:"retry_of,omitempty" doc:"The id of the run that it repeats"`
	Priority     int        `json:"priority" doc:"Higher ones go first"`
	Cancel       bool       `json:"cancel" doc:"Somebody asked for its end"`
	Worker       string     `json:"worker,omitempty" doc:"The process that works on it"`
	Fence        int64      `json:"-"` // grows with each claim: what an older claim writes is refused
	LeaseUntil   *time.Time `json:"-"` // the worker says in time that it is still there
	Failure      *Failure   `json:"failure,omitempty" doc:"What went wrong"`
	Figures      Figures    `json:"figures"`
	Outcomes     []Outcome  `json:"outcomes,omitempty" doc:"What became of each source in each repository"`
}

// RunOptions are what only some kinds of runs have to know.
type RunOptions struct {
	Level   string `json:"level,omitempty" enum:"structure,sample,full" doc:"How much a verification reads"`
	Slice   string `json:"slice,omitempty" doc:"The part of all data that a verification of the level sample reads, as in 3/30; by default some of it at random"`
	Restore string `json:"restore,omitempty" doc:"The id of the restore that is planned or applied"`
	Apply   bool   `json:"apply,omitempty" doc:"The restore is applied, and not only planned"`
	Server  bool   `json:"server,omitempty" doc:"Only the server's backups of itself are looked at"`
	DryRun  bool   `json:"dry_run,omitempty" doc:"Nothing is changed"`
}

// Failure is what went wrong, for a person.
type Failure struct {
	Code  string `json:"code" doc:"Such as BST-1000, as in the list of errors"`
	Stage string `json:"stage,omitempty" doc:"What was being done"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty" doc:"What to do next"`
}

// Figures are the numbers of a run.
type Figures struct {
	Files      int64            `json:"files" doc:"Looked at"`
	Bytes      int64            `json:"bytes" doc:"Looked at"`
	New        int64            `json:"new"`
	Changed    int64            `json:"changed"`
	Unchanged  int64            `json:"unchanged"`
	Lost       int64            `json:"lost" doc:"Could not be read or written"`
	Added      int64            `json:"added" doc:"Bytes that were new to the repositories"`
	Stored     int64            `json:"stored" doc:"Bytes that these take there"`
	TotalFiles int64            `json:"total_files,omitempty" doc:"Expected, where it is known"`
	TotalBytes int64            `json:"total_bytes,omitempty" doc:"Expected, where it is known"`
	Phases     map[string]int64 `json:"phases,omitempty" doc:"Milliseconds of each phase"`
	Item       string           `json:"item,omitempty" doc:"What is worked on at the moment"`
}

// Outcome is what became of one source in one repository.
type Outcome struct {
	Source     string   `json:"source,omitempty"`
	Repository string   `json:"repository"`
	Snapshot   string   `json:"snapshot,omitempty" doc:"What the repository calls the snapshot that was made"`
	Unchanged  bool     `json:"unchanged,omitempty" doc:"Nothing had changed, so no snapshot was made"`
	Failure    *Failure `json:"failure,omitempty"`
}

// Duration is how long the run took; 0 until it has ended.
func (r Run) Duration() time.Duration {
	if r.StartedAt == nil || r.EndedAt == nil {
		return 0
	}
	return r.EndedAt.Sub(*r.StartedAt)
}

// StateOf sums up the outcomes of a backup in which some files may have been lost.
func StateOf(outcomes []Outcome, lost int64) RunState {
	failed := 0
	for _, o := range outcomes {
		if o.Failure != nil {
			failed++
		}
	}
	switch {
	case failed > 0 && failed == len(outcomes):
		return RunFailed
	case failed > 0:
		return RanPartly
	case lost > 0:
		return Warned
	default:
		return Succeeded
	}
}

// RunLine is a line of a run's log.
type RunLine struct {
	Run   string    `json:"run" bun:",pk"`
	Seq   int64     `json:"seq" bun:",pk"`
	Time  time.Time `json:"time"`
	Level string    `json:"level" enum:"info,warning,error"`
	Text  string    `json:"text"`
}
