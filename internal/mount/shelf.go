package mount

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay/engine/snapshot"
)

// layout is the shelves by their paths; "" is the root. It doesn't change once it is made.
type layout map[string]shelf

// shelf is a directory above the snapshots.
type shelf map[string]place

// place is a name on a shelf: a snapshot, a link, or else another shelf.
type place struct {
	snapshot *snapshot.Snapshot
	link     string
}

const (
	byTime = "snapshots"
	byID   = "ids"
	byTag  = "tags"
	byHost = "hosts"
)

// newLayout sorts snapshots onto shelves. They come in any order.
func newLayout(list []*snapshot.Snapshot) layout {
	l := layout{}
	for _, top := range []string{byTime, byID, byTag, byHost} {
		l.add(top)
	}
	slices.SortFunc(list, snapshot.Compare)
	for _, s := range list {
		id := s.ID.Short()
		if _, taken := l[byID][id]; taken {
			id = s.ID.String()
		}
		l[byID][id] = place{snapshot: s}
		name := l.free(s.Time)
		l.put(byTime, name, s)
		for _, tag := range s.Tags {
			if isRunFact(s, tag) {
				continue
			}
			l.put(path.Join(byTag, element(tag)), name, s)
		}
		l.put(path.Join(byHost, element(s.Hostname)), name, s)
	}
	return l
}

// add makes a shelf, and a place for it on the one above.
func (l layout) add(name string) {
	if l[name] != nil {
		return
	}
	l[name] = shelf{}
	above, base := path.Split(name)
	above = strings.TrimSuffix(above, "/")
	if l[above] == nil {
		l[above] = shelf{}
	}
	l[above][base] = place{}
}

// put places a snapshot that is newer than those on the shelf.
func (l layout) put(on, name string, s *snapshot.Snapshot) {
	l.add(on)
	l[on][name] = place{snapshot: s}
	l[on][snapshot.Latest] = place{link: name}
}

// free returns a name that no snapshot has: its time, with a number if there are several of one second.
func (l layout) free(t time.Time) string {
	base := t.Format(time.RFC3339)
	name := base
	for n := 1; ; n++ {
		if _, taken := l[byTime][name]; !taken {
			return name
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
}

// isRunFact reports whether a tag is a fact of the run that made the snapshot. Nobody looks for snapshots by these, and
// there would be a shelf for each run.
func isRunFact(s *snapshot.Snapshot, tag string) bool {
	for _, fact := range []snapshot.Fact{snapshot.FactRun, snapshot.FactType, snapshot.FactBase} {
		if tag == string(fact)+"="+s.Fact(fact) {
			return true
		}
	}
	return false
}

// element makes text the name of a directory: anybody may have chosen it.
func element(text string) string {
	switch text {
	case "", ".", "..":
		return "_" + text
	}
	return strings.Map(func(r rune) rune {
		if r == '/' || r == 0 {
			return '_'
		}
		return r
	}, text)
}
