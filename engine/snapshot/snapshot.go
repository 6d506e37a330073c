// Package snapshot keeps the records of a repository's snapshots.
//
// A snapshot is an immutable point in time of a source: a small JSON file that names the tree of its root, and says
// when, where and from what it was made. Facts of the run that made it are tags (see Fact), because other programs that
// rewrite a snapshot drop fields they don't know.
//
// The invariant: a snapshot file is never changed. Replace saves a new one and removes the old; Original keeps the ID of
// the first, so that a snapshot can be followed. A file in the folder of snapshots that isn't one (anybody who can write
// to the storage can put a copy of an index file there) is an error of its own, ErrWrongKind, and hides no other.
package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backstay/backstay/engine/crypto"
)

// ErrWrongKind means that a file among the snapshots is genuine but no snapshot, for instance a copied index file or lock.
var ErrWrongKind = errors.New("not a snapshot but a file of another kind")

// Snapshot is the record of one snapshot. Its JSON has the fields in this order.
type Snapshot struct {
	ID crypto.ID `json:"-"` // name of its file; null until it is saved

	Time           time.Time `json:"time"` // as the client's clock said, in the client's zone
	Parent         crypto.ID `json:"parent,omitzero"`
	Tree           crypto.ID `json:"tree"`
	Paths          []string  `json:"paths"` // absolute, in the order given
	Hostname       string    `json:"hostname,omitempty"`
	Username       string    `json:"username,omitempty"`
	UID            uint32    `json:"uid,omitempty"`
	GID            uint32    `json:"gid,omitempty"`
	Excludes       []string  `json:"excludes,omitempty"`
	Tags           []string  `json:"tags,omitempty"`
	Original       crypto.ID `json:"original,omitzero"` // the first of the snapshots that this one replaces; null if it is the first
	ProgramVersion string    `json:"program_version,omitempty"`
	Summary        *Summary  `json:"summary,omitempty"` // nil in old snapshots
}

// Summary counts what the backup that made a snapshot did.
type Summary struct {
	BackupStart         time.Time `json:"backup_start"`
	BackupEnd           time.Time `json:"backup_end"`
	FilesNew            uint64    `json:"files_new"`
	FilesChanged        uint64    `json:"files_changed"`
	FilesUnmodified     uint64    `json:"files_unmodified"`
	DirsNew             uint64    `json:"dirs_new"`
	DirsChanged         uint64    `json:"dirs_changed"`
	DirsUnmodified      uint64    `json:"dirs_unmodified"`
	DataBlobs           uint64    `json:"data_blobs"`        // blobs added
	TreeBlobs           uint64    `json:"tree_blobs"`        // trees added
	DataAdded           uint64    `json:"data_added"`        // bytes of all of them before compression
	DataAddedPacked     uint64    `json:"data_added_packed"` // bytes they take in the repository
	TotalFilesProcessed uint64    `json:"total_files_processed"`
	TotalBytesProcessed uint64    `json:"total_bytes_processed"`
}

// Identity returns the ID that stays when a snapshot is replaced or copied: Original, or else ID.
func (s *Snapshot) Identity() crypto.ID {
	if s.Original.IsNull() {
		return s.ID
	}
	return s.Original
}

// HasTag reports whether tag is one of the tags.
func (s *Snapshot) HasTag(tag string) bool { return slices.Contains(s.Tags, tag) }

// Compare orders snapshots from the oldest to the newest, those of one moment by their IDs.
func Compare(a, b *Snapshot) int {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c
	}
	return slices.Compare(a.ID[:], b.ID[:])
}

// Encode returns the JSON of s, without a newline at the end.
func Encode(s *Snapshot) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	p, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	return p, nil
}

// Decode reads the JSON of a snapshot; unknown fields are passed over. The error wraps ErrWrongKind if p is a JSON object
// without what each snapshot has.
func Decode(p []byte) (*Snapshot, error) {
	s := new(Snapshot)
	if err := json.Unmarshal(p, s); err != nil {
		return nil, fmt.Errorf("decode snapshot: %w", err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("decode snapshot: %w: %w", ErrWrongKind, err)
	}
	return s, nil
}

// check looks for what every snapshot has.
func (s *Snapshot) check() error {
	switch {
	case s.Tree.IsNull():
		return errors.New("it has no tree")
	case s.Time.Year() <= 1: // what is left out of JSON reads as the year 1
		return errors.New("it has no time")
	}
	return nil
}
