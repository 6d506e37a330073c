package app

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"testing"

	"github.com/backstay/backstay/entry"
)

func TestATableHasNothingThatASpreadsheetComputes(t *testing.T) {
	var report, table bytes.Buffer
	for _, text := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain, \"text\""} {
		if err := json.NewEncoder(&report).Encode(entry.Change{Path: text, Type: entry.File, Action: entry.Failed, Reason: text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := reportTable(&report, csv.NewWriter(&table)); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var paths, reasons []string
	for _, row := range rows[1:] {
		paths, reasons = append(paths, row[0]), append(reasons, row[6])
	}
	if want := []string{"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\r=1", "plain, \"text\""}; !slices.Equal(reasons, want) {
		t.Errorf("reasons = %q, want %q", reasons, want)
	}
	if paths[0] != "/=1+1" {
		t.Errorf("paths = %q", paths)
	}
}

func TestASightIsNarrowedAndNeverWidened(t *testing.T) {
	for _, test := range []struct {
		only, paths, want []string
	}{
		{nil, nil, nil},
		{nil, []string{"a"}, []string{"a"}},
		{[]string{"a"}, nil, []string{"a"}},
		{[]string{"a", "b/c"}, []string{"", "b"}, []string{"a", "b/c"}},
		{[]string{"a"}, []string{"a/b", "c", "ab"}, []string{"a/b"}},
		{[]string{"a"}, []string{"b"}, []string{}},
	} {
		got := sight{only: test.only}.narrow(test.paths).only
		if !slices.Equal(got, test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("%q narrowed to %q = %#v, want %#v", test.only, test.paths, got, test.want)
		}
	}
	if take, descend := (sight{only: []string{}}).sees("a", true); take || descend {
		t.Error("a sight of nothing sees a path")
	}
}
