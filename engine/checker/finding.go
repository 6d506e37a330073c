package checker

import (
	"fmt"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
)

// Severity says how bad a Finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // something can't be restored, or the next run may lose something
	Warning Severity = "warning" // nothing is lost, though it is not as it should be
	Hint    Severity = "hint"    // harmless; worth knowing
)

// Kind is a short code for what was found. The codes stay the same from version to version.
type Kind string

// The kinds.
const (
	WrongKind    Kind = "wrong-kind"    // a genuine file of another kind lies in this folder
	ForeignFiles Kind = "foreign-files" // files with names that the repository doesn't use
	HiddenFiles  Kind = "hidden-files"  // deleted or replaced by somebody, but kept by object lock

	KeyDamaged         Kind = "key-damaged"
	LockUnreadable     Kind = "lock-unreadable"
	LockInFuture       Kind = "lock-in-future"
	IndexUnreadable    Kind = "index-unreadable"
	SnapshotUnreadable Kind = "snapshot-unreadable"

	PackMissing   Kind = "pack-missing"   // an index names it, but it is not there
	PackSplit     Kind = "pack-split"     // index files list different blobs of it
	IndexMismatch Kind = "index-mismatch" // the index lists blobs of it otherwise than it does itself
	PackSize      Kind = "pack-size"      // it is shorter or longer than it was, and its header is lost
	BlobDamaged   Kind = "blob-damaged"   // the pack is as it was saved, but a blob in it was damaged before
	PackDamaged   Kind = "pack-damaged"   // blobs in it are damaged
	PackHeader    Kind = "pack-header"    // only its header is damaged: each blob is whole
	PackUnread    Kind = "pack-unread"    // the storage gave an error: whether it is damaged is not known
	PackRepeated  Kind = "pack-repeated"  // several index files list it, all alike
	PackMixed     Kind = "pack-mixed"     // it holds both data and trees
	PackUnindexed Kind = "pack-unindexed" // no index names it
	BlobsMissing  Kind = "blobs-missing"  // no index names them, nor are they in a pack without index

	TreeMalformed Kind = "tree-malformed"
	TreeValue     Kind = "tree-value"
	TreeName      Kind = "tree-name"
	UnsafeName    Kind = "unsafe-name"
	UnknownType   Kind = "unknown-type"
	NoContent     Kind = "no-content"
	NoSubtree     Kind = "no-subtree"
	TreeDuplicate Kind = "tree-duplicate"
	TreeOrder     Kind = "tree-order"
	WrongSize     Kind = "wrong-size"
)

// treeKinds tells the kinds of problems that a tree may have.
var treeKinds = map[tree.Kind]Kind{
	tree.Malformed: TreeMalformed, tree.BadValue: TreeValue, tree.BadName: TreeName, tree.UnsafeName: UnsafeName,
	tree.UnknownType: UnknownType, tree.NoContent: NoContent, tree.NoSubtree: NoSubtree, tree.Duplicate: TreeDuplicate,
	tree.Unsorted: TreeOrder,
}

// packKinds are the kinds of which a pack has only one, the most telling first.
var packKinds = []Kind{PackMissing, PackSplit, IndexMismatch, PackSize, BlobDamaged, PackDamaged, PackHeader, PackUnread}

// What to do about it, in the words of the command line.
const (
	unlock          = "Run unlock --remove-all when nothing else uses the repository."
	repairIndex     = "Run repair index."
	repairPacks     = "Run repair packs with this pack, which saves what is whole in it."
	repairSnapshots = "Run repair snapshots, which makes snapshots without what is lost."
	backUpAgain     = "Then run backup --type full where the files are still there: it brings lost content back. For the rest run repair snapshots."
	again           = "Look at the storage, then run check again."
)

var remedies = map[Kind]string{
	WrongKind:    "Remove the file from the storage.",
	ForeignFiles: "Remove them if no other program needs them.",
	HiddenFiles:  "Change the credentials of the storage, which somebody else has; then run storage undelete, which brings the files back.",

	KeyDamaged:         "Add the password again with key add, then remove the damaged key.",
	LockUnreadable:     unlock,
	LockInFuture:       "Set the clock of its host right; if nothing else uses the repository, run unlock --remove-all.",
	IndexUnreadable:    repairIndex,
	SnapshotUnreadable: "Fetch this file from a copy of the repository if there is one; else forget the snapshot.",

	PackMissing:   "Put the pack back if it can be found. Else run repair index. " + backUpAgain,
	PackSplit:     repairIndex,
	IndexMismatch: "Run repair index --read-all-packs.",
	PackSize:      repairPacks + " " + backUpAgain,
	BlobDamaged:   repairPacks + " " + backUpAgain,
	PackDamaged:   repairPacks + " " + backUpAgain,
	PackHeader:    repairPacks,
	PackUnread:    again,
	PackRepeated:  "Nothing has to be done; prune tidies it.",
	PackMixed:     "Nothing has to be done; prune repacks it.",
	PackUnindexed: "Nothing has to be done: a backup may be at work, or was stopped. Prune removes it.",
	BlobsMissing:  "Run repair index --read-all-packs, in case a pack has them. " + backUpAgain,

	TreeMalformed: repairSnapshots,
	TreeValue:     repairSnapshots,
	TreeName:      repairSnapshots,
	UnsafeName:    repairSnapshots,
	UnknownType:   repairSnapshots,
	NoContent:     repairSnapshots,
	NoSubtree:     repairSnapshots,
	TreeDuplicate: repairSnapshots,
	TreeOrder:     repairSnapshots,
	WrongSize:     "Nothing has to be done: the file may have grown or shrunk while it was read.",
}

// Object names what a Finding is about.
type Object struct {
	// Type is the kind of file ("key", "lock", "snapshot", "index", "pack") or of blob ("tree", "data"); "folder" is a folder in
	// the storage; "repository" is all of it.
	Type string    `json:"type"`
	ID   crypto.ID `json:"id,omitzero"`
	Name string    `json:"name,omitempty"` // of a folder
}

// String names the object for people.
func (o Object) String() string {
	switch {
	case o.Name != "":
		return fmt.Sprintf("%s %q", o.Type, o.Name)
	case o.ID.IsNull():
		return o.Type
	}
	return o.Type + " " + o.ID.Short()
}

var fileTypes = map[repo.FileType]string{
	repo.Keys: "key", repo.Locks: "lock", repo.Snapshots: "snapshot", repo.Index: "index", repo.Packs: "pack",
}

func file(t repo.FileType, id crypto.ID) Object { return Object{Type: fileTypes[t], ID: id} }
func blob(h pack.Handle) Object                 { return Object{Type: h.Type.String(), ID: h.ID} }
func folder(t repo.FileType) Object             { return Object{Type: "folder", Name: string(t)} }

// about begins a Finding.
func about(k Kind, s Severity, o Object) Finding {
	return Finding{Kind: k, Severity: s, Object: o, Remedy: remedies[k]}
}

// maxExamples is how many paths and blobs a Finding names.
const maxExamples = 10

// Finding is one thing that is not as it should be.
type Finding struct {
	Severity Severity `json:"severity"`
	Kind     Kind     `json:"kind"`
	Object   Object   `json:"object"`
	Message  string   `json:"message"`
	Remedy   string   `json:"remedy"`

	// Blobs are the blobs that are hit, as examples; BlobCount is the number of all.
	Blobs     []Object `json:"blobs,omitempty"`
	BlobCount int      `json:"blob_count,omitempty"`
	// Snapshots are those that are hit, the newest first. Paths are examples of what in them is, and PathCount is the number
	// of files and directories, each counted once however many snapshots share it. All of them are empty
	// where there are other copies of the blobs, or nothing needs them.
	Snapshots []crypto.ID `json:"snapshots,omitempty"`
	Paths     []string    `json:"paths,omitempty"`
	PathCount int         `json:"path_count,omitempty"`
}

// addBlob counts a blob that is hit.
func (f *Finding) addBlob(h pack.Handle) {
	f.BlobCount++
	if len(f.Blobs) < maxExamples {
		f.Blobs = append(f.Blobs, blob(h))
	}
}

func (f *Finding) addPath(path string) {
	if f.wantsPath() && !slices.Contains(f.Paths, path) {
		f.Paths = append(f.Paths, path)
	}
}

// wantsPath reports whether another example is welcome.
func (f *Finding) wantsPath() bool { return len(f.Paths) < maxExamples }
