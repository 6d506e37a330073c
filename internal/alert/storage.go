package alert

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/backstay/backstay"
)

// maxCleanUp is how many things are proposed: what is too much to read is not done.
const maxCleanUp = 20

// Storage looks whether the repositories of a storage take more than it is to hold. Snapshots are those of these repositories, of which
// the oldest that nothing protects are proposed first.
func Storage(s backstay.Storage, repositories []backstay.Repository, snapshots []backstay.Snapshot, now time.Time) (f Finding, is bool) {
	var held int64
	for _, r := range repositories {
		held += r.Bytes
	}
	if s.Limit <= 0 || held <= s.Limit {
		return f, false
	}
	f = Finding{Kind: backstay.AlertStorageLimit, Severity: backstay.SeverityError, Text: fmt.Sprintf("Its repositories take %s, and it is to hold %s.", amount(float64(held)), amount(float64(s.Limit))),
		Next: "Delete snapshots that nobody needs and prune, let plans keep less, or raise the limit.", CleanUp: cleanUp(repositories, snapshots, now)}
	return f, true
}

// cleanUp proposes half of the list in snapshots and the rest in repositories, the largest first.
func cleanUp(repositories []backstay.Repository, snapshots []backstay.Snapshot, now time.Time) (all []backstay.CleanUp) {
	free := slices.DeleteFunc(slices.Clone(snapshots), func(s backstay.Snapshot) bool {
		return s.Protected || s.KeptUntil != nil && s.KeptUntil.After(now)
	})
	slices.SortFunc(free, func(a, b backstay.Snapshot) int { return a.Time.Compare(b.Time) })
	old := free[:min(len(free), max(len(free)/2, 1))] // of the newer half somebody may well need the next
	slices.SortStableFunc(old, func(a, b backstay.Snapshot) int { return cmp.Compare(b.Added, a.Added) })
	for _, s := range old[:min(len(old), maxCleanUp/2)] {
		all = append(all, backstay.CleanUp{Object: "snapshot", ID: s.ID, Name: s.Handle[:min(8, len(s.Handle))], Time: s.Time, Bytes: s.Added})
	}
	sorted := slices.SortedFunc(slices.Values(repositories), func(a, b backstay.Repository) int { return cmp.Compare(b.Bytes, a.Bytes) })
	for _, r := range sorted[:min(len(sorted), maxCleanUp-len(all))] {
		all = append(all, backstay.CleanUp{Object: "repository", ID: r.ID, Name: r.Name, Bytes: r.Bytes})
	}
	return all
}
