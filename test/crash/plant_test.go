//go:build linux && (amd64 || arm64)

package crash

import (
	"fmt"
	"slices"
	"testing"
)

// A rig that finds nothing may be one that can't. Each of these bugs must lose something at a kill where a sound program loses nothing.
func TestPlantedBugsAreFound(t *testing.T) {
	l := newLab(t)
	l.trap = buildTrap(t)
	operations := l.operations(t)
	type bug struct{ name, operation, point string }
	bugs := []bug{
		{"snapshot-before-index", "backup", "snapshot.renamed"},
		{"snapshot-before-index", "copy", "snapshot.renamed"},
		{"index-before-packs", "backup", "index.renamed"},
		{"packs-before-index", "prune", "pack.removed"},
		{"old-index-first", "prune", "index.removed"},
		{"old-key-first", "key passwd", "key.removed"},
		{"old-snapshot-first", "tag", "snapshot.removed"},
		{"old-snapshot-first", "repair snapshots", "snapshot.removed"},
		{"lock-before-local", "backup", "lock.renamed"},
		{"old-config-first", "migrate", "config.removed"},
		{"half-an-index", "backup", "index.renamed"},
		{"half-a-snapshot", "backup", "snapshot.renamed"},
		{"half-a-config", "init", "config.renamed"},
		{"half-a-restored-file", "restore", "target.renamed"},
		{"half-a-restored-file", "restore over", "target.renamed"},
	}
	each(t, bugs, func(b bug) string { return b.name + " in " + b.operation }, func(t *testing.T, b bug) {
		op := operations[slices.IndexFunc(operations, func(op operation) bool { return op.name == b.operation })]
		if err := l.killPlanted(t, op, "", b.point, 1); err != nil {
			t.Errorf("without the bug: %v", err)
		}
		for n := 1; n <= 10; n++ {
			if err := l.killPlanted(t, op, b.name, b.point, n); err != nil {
				t.Logf("R1 with the bug %q in %s: %d kills, 1 lost: %q", b.name, op.name, n, err)
				return
			}
		}
		t.Errorf("with the bug %q in %s 10 kills lose nothing, so the rig finds nothing", b.name, op.name)
	})
}

// killPlanted kills an operation with a bug and returns what was lost.
func (l *lab) killPlanted(t *testing.T, op operation, bug, point string, n int) error {
	t.Helper()
	r := l.enter(t, op)
	killed, err := r.trapped(t.Context(), op, fmt.Sprintf("BACKSTAY_CRASH=%s:%d", point, n), "BACKSTAY_PLANT="+bug)
	if err != nil || !killed {
		t.Fatalf("bug %q: killed %t, %v", bug, killed, err)
	}
	return r.recovers(t.Context(), op, false)
}
