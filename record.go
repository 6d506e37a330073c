package backstay

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Record is what everything has that the server stores: who it is, and since when. Times are UTC, to the microsecond.
type Record struct {
	ID        string    `json:"id" readOnly:"true" bun:",pk" doc:"Never changes, never used again"`
	CreatedAt time.Time `json:"created_at" readOnly:"true"`
	UpdatedAt time.Time `json:"updated_at" readOnly:"true"`
	Version   int64     `json:"version" readOnly:"true" doc:"Counts the changes; the ETag of the resource"`
}

// Base returns the record itself, for those who handle all nouns alike.
func (r *Record) Base() *Record { return r }

// Placed is a Record that lies in a scope and may belong to a person: both are asked for rights.
type Placed struct {
	Project string `json:"project" doc:"The id of the project it belongs to; it can't be moved"`
	Owner   string `json:"owner,omitempty" readOnly:"true" doc:"The id of the person who created it"`
	Scope   Scope  `json:"scope" readOnly:"true" doc:"Its place in the tree that rights are granted in"`
}

// Place returns the place itself.
func (p *Placed) Place() *Placed { return p }

// checkName says what is wrong with a name that people give things.
func checkName(kind, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return Errorf(Invalid, "the %s has no name", kind).OnField("name")
	case strings.TrimSpace(name) != name:
		return Errorf(Invalid, "the name of the %s begins or ends with a space", kind).OnField("name")
	case len(name) > 100:
		return Errorf(Invalid, "the name of the %s has more than 100 bytes", kind).OnField("name")
	case !utf8.ValidString(name) || strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		return Errorf(Invalid, "the name of the %s has characters that can't be shown", kind).OnField("name")
	}
	return nil
}
