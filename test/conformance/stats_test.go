//go:build linux

package conformance

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/backstay/backstay/test/resticbin"
)

// numbers returns what stats printed. Old versions of restic leave out some, and newer ones those that are 0.
func numbers(t *testing.T, out []byte) (m map[string]float64) {
	t.Helper()
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatalf("stats printed %q: %v", out, err)
	}
	return m
}

func TestStatsAreThoseOfRestic(t *testing.T) {
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 2, func(t *testing.T, seed uint64) {
			t.Parallel()
			s := newSite(t, bin, 1+uint(seed)%2)
			ids := s.days(t, seed, 3) // with an empty file: restic counts folders as one
			for _, mode := range []string{"restore-size", "files-by-contents", "blobs-per-file", "raw-data"} {
				for _, of := range [][]string{ids, ids[:1], {ids[2], ids[0]}} {
					s.sameStats(t, append([]string{"stats", "--json", "--mode", mode}, of...))
				}
			}
		})
	})
}

func (s *site) sameStats(t *testing.T, args []string) {
	t.Helper()
	theirs, ours := numbers(t, s.run(t, args...)), numbers(t, s.ourCommand(t, args...))
	if theirs["total_size"] == 0 {
		t.Errorf("%s: restic counts nothing", strings.Join(args, " "))
	}
	for name, want := range theirs {
		if got := ours[name]; math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s: %s is %v, with restic %v", strings.Join(args, " "), name, got, want)
		}
	}
	for name, got := range ours {
		if _, there := theirs[name]; !there && got != 0 && !(s.old() && strings.Contains(name, "compress")) {
			t.Errorf("%s: %s is %v, restic has none", strings.Join(args, " "), name, got)
		}
	}
}
