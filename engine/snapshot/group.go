package snapshot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// GroupBy says what the snapshots of a group have in common. The zero GroupBy makes one group of all.
type GroupBy struct {
	Host, Paths, Tags bool
}

// ParseGroupBy reads any of the words host, paths and tags, separated by commas.
func ParseGroupBy(s string) (GroupBy, error) {
	var by GroupBy
	for word := range strings.SplitSeq(s, ",") {
		switch strings.TrimSpace(word) {
		case "":
		case "host", "hosts":
			by.Host = true
		case "path", "paths":
			by.Paths = true
		case "tag", "tags":
			by.Tags = true
		default:
			return GroupBy{}, fmt.Errorf("group by %q: want host, paths or tags", word)
		}
	}
	return by, nil
}

// String returns the words that ParseGroupBy reads.
func (by GroupBy) String() string {
	var words []string
	if by.Host {
		words = append(words, "host")
	}
	if by.Paths {
		words = append(words, "paths")
	}
	if by.Tags {
		words = append(words, "tags")
	}
	return strings.Join(words, ",")
}

// Group is snapshots with something in common. What they were not grouped by is empty.
type Group struct {
	Host      string
	Paths     []string    // sorted
	Tags      []string    // sorted, without those that tell one run from another (run, type, base)
	Snapshots []*Snapshot // oldest first
}

// Split divides snapshots into groups, ordered by host, paths and tags. The order of the paths and tags within a snapshot
// is of no importance.
func Split(snapshots []*Snapshot, by GroupBy) []Group {
	var groups []Group
	for _, s := range snapshots {
		g := groupOf(s, by)
		i, found := slices.BinarySearchFunc(groups, g, compareGroups)
		if !found {
			groups = slices.Insert(groups, i, g)
		}
		groups[i].Snapshots = append(groups[i].Snapshots, s)
	}
	for _, g := range groups {
		slices.SortFunc(g.Snapshots, Compare)
	}
	return groups
}

func groupOf(s *Snapshot, by GroupBy) Group {
	var g Group
	if by.Host {
		g.Host = s.Hostname
	}
	if by.Paths {
		g.Paths = slices.Sorted(slices.Values(s.Paths))
	}
	if by.Tags {
		g.Tags = slices.DeleteFunc(slices.Sorted(slices.Values(s.Tags)), ofOneRun)
	}
	return g
}

func compareGroups(a, b Group) int {
	return cmp.Or(strings.Compare(a.Host, b.Host), slices.Compare(a.Paths, b.Paths), slices.Compare(a.Tags, b.Tags))
}
