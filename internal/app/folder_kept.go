package app

import (
	"slices"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/tree"
)

// Large folders that somebody looks at are kept decoded for a while: each screen of one with 100,000 entries would cost a quarter of a second
// otherwise. A tree is named by its content, so what is kept is never out of date; who may see it is asked each time.
const (
	keepFrom   = 2_000   // nodes; less is read in a few milliseconds
	keepMost   = 300_000 // nodes of all folders together, each about 500 bytes
	keepLinger = time.Minute
)

// keptFolder is a folder that was read.
type keptFolder struct {
	tree  crypto.ID
	nodes []tree.Node
	used  time.Time
}

// kept returns the nodes of a folder that was read lately; nil if it was not.
func (l *library) kept(id crypto.ID, now time.Time) []tree.Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.folders {
		if l.folders[i].tree == id {
			l.folders[i].used = now
			return l.folders[i].nodes
		}
	}
	return nil
}

// keep keeps the nodes of a folder if it is a large one. Nobody changes them.
func (l *library) keep(id crypto.ID, nodes []tree.Node, now time.Time) {
	if len(nodes) < keepFrom || len(nodes) > keepMost {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.folders = append(l.folders, keptFolder{id, nodes, now})
	total := 0
	for i := len(l.folders) - 1; i >= 0; i-- {
		if total += len(l.folders[i].nodes); total > keepMost {
			l.folders = slices.Clone(l.folders[i+1:])
			break
		}
	}
}

// forgetFolders lets go of what nobody has looked at for a while. The caller holds mu.
func (l *library) forgetFolders(now time.Time) {
	l.folders = slices.DeleteFunc(l.folders, func(f keptFolder) bool { return now.Sub(f.used).Abs() >= keepLinger })
}
