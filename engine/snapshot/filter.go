package snapshot

import (
	"slices"
	"strings"
)

// Filter selects snapshots: each of its fields that isn't empty must match. The zero Filter matches all.
type Filter struct {
	Hosts []string   // any of them
	Tags  [][]string // all tags of any of the lists; the tag "" stands for having no tags
	Paths []string   // all of them, exactly as they were given to the backup
}

// ParseTags reads a list of tags separated by commas, one element of Filter.Tags.
func ParseTags(s string) []string {
	tags := strings.Split(s, ",")
	for i := range tags {
		tags[i] = strings.TrimSpace(tags[i])
	}
	return tags
}

// Match reports whether s is selected.
func (f Filter) Match(s *Snapshot) bool {
	return f.matchHost(s) && f.matchTags(s) && f.matchPaths(s)
}

func (f Filter) matchHost(s *Snapshot) bool {
	return len(f.Hosts) == 0 || slices.Contains(f.Hosts, s.Hostname)
}

func (f Filter) matchTags(s *Snapshot) bool {
	return len(f.Tags) == 0 || slices.ContainsFunc(f.Tags, s.hasTags)
}

func (s *Snapshot) hasTags(tags []string) bool {
	for _, tag := range tags {
		if untagged := tag == "" && len(s.Tags) == 0; !untagged && !s.HasTag(tag) {
			return false
		}
	}
	return true
}

func (f Filter) matchPaths(s *Snapshot) bool {
	for _, path := range f.Paths {
		if !slices.Contains(s.Paths, path) {
			return false
		}
	}
	return true
}
