package snapshot

import (
	"strings"

	"github.com/backstay/backstay/engine/crypto"
)

// Fact names something known of the run that made a snapshot. It is kept as the tag "name=value".
type Fact string

// The facts.
const (
	FactRun    Fact = "run"    // the run, common to all snapshots of it
	FactPlan   Fact = "plan"   // the plan that was run
	FactType   Fact = "type"   // see Type
	FactBase   Fact = "base"   // see Base
	FactModule Fact = "module" // the part of a source that consists of several
)

// Type says how much was read from the source to make a snapshot. Whatever it is, the snapshot is complete by itself.
type Type string

// The types.
const (
	Full         Type = "full"
	Incremental  Type = "incremental"  // what changed since the last snapshot
	Differential Type = "differential" // what changed since the last full one
)

// Fact returns the value of a fact, "" if the snapshot does not tell.
func (s *Snapshot) Fact(f Fact) string {
	for _, tag := range s.Tags {
		if value, ok := f.of(tag); ok {
			return value
		}
	}
	return ""
}

// SetFact sets a fact, or removes it if value is "". The tags are copied, so that no other record changes. The value
// should have no comma in it, since a filter could not name it.
func (s *Snapshot) SetFact(f Fact, value string) {
	var tags []string
	for _, tag := range s.Tags {
		if _, ok := f.of(tag); !ok {
			tags = append(tags, tag)
		}
	}
	if value != "" {
		tags = append(tags, string(f)+"="+value)
	}
	s.Tags = tags
}

// Type returns the type, "" for a snapshot that other programs made.
func (s *Snapshot) Type() Type { return Type(s.Fact(FactType)) }

// Base returns the Identity of the snapshot that a change was read against; null for a full snapshot.
func (s *Snapshot) Base() crypto.ID {
	id, err := crypto.ParseID(s.Fact(FactBase))
	if err != nil {
		return crypto.ID{} // a tag that only looks like ours
	}
	return id
}

// of returns the value if tag is about f.
func (f Fact) of(tag string) (value string, ok bool) {
	name, value, ok := strings.Cut(tag, "=")
	return value, ok && name == string(f)
}

// ofOneRun reports whether a tag differs from run to run even if the plan is the same.
func ofOneRun(tag string) bool {
	for _, f := range []Fact{FactRun, FactType, FactBase} {
		if _, ok := f.of(tag); ok {
			return true
		}
	}
	return false
}
