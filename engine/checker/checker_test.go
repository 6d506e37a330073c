package checker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/test/corrupt"
)

// check returns what a check finds.
func check(t testing.TB, r *repo.Repo, opt checker.Options) ([]checker.Finding, checker.Report) {
	t.Helper()
	var found []checker.Finding
	opt.Found = func(f checker.Finding) { found = append(found, f) }
	report, err := checker.Check(t.Context(), r, opt)
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	return found, report
}

// facts are the lines by which Findings are compared: kind, object, snapshots and paths.
func facts(found []checker.Finding) []string {
	var lines []string
	for _, f := range found {
		slices.Sort(f.Paths)
		var ids []string
		for _, id := range f.Snapshots {
			ids = append(ids, id.Short())
		}
		lines = append(lines, fmt.Sprintf("%s %s in %s; snapshots %v, paths %q", f.Severity, f.Kind, f.Object, ids, f.Paths))
	}
	slices.Sort(lines)
	return lines
}

func TestEveryKindOfDamageIsReportedForWhatItIs(t *testing.T) {
	t.Parallel()
	variants := corrupt.Variants()
	names := make(map[string]bool)
	for _, v := range variants {
		if names[v.Name] {
			t.Errorf("two variants are named %q", v.Name)
		}
		names[v.Name] = true
		t.Run(v.Name, func(t *testing.T) {
			l := corrupt.New(t)
			want := v.Damage(l)
			r := l.Open(t)
			found, report := check(t, r, checker.Options{ReadData: true})
			if diff := cmp.Diff(facts(want), facts(found)); diff != "" {
				t.Errorf("check of all data (-want +got):\n%s", diff)
			}
			if ok := !slices.ContainsFunc(want, func(f checker.Finding) bool { return f.Severity == checker.Error }); report.OK() != ok {
				t.Errorf("OK = %t, want %t", report.OK(), ok)
			}
			for _, f := range found {
				if f.Message == "" || f.Remedy == "" || len(f.Message) > 1000 {
					t.Errorf("%s has message %q and remedy %q", f.Kind, f.Message, f.Remedy)
				}
			}
			structure, _ := check(t, r, checker.Options{})
			if !v.DataOnly {
				if diff := cmp.Diff(facts(want), facts(structure)); diff != "" {
					t.Errorf("check of the structure (-want +got):\n%s", diff)
				}
			} else if got := facts(structure); len(got) > 0 && !strings.HasPrefix(got[0], string(checker.Error)) {
				t.Errorf("check of the structure = %q, want nothing or an error", got)
			}
		})
	}
	t.Logf("R7: %d kinds of damage, held against what check must say of each", len(variants))
}
