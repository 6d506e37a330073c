package snapshot

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
)

var (
	idA = crypto.Hash([]byte("a"))
	idB = crypto.Hash([]byte("b"))
	idC = crypto.Hash([]byte("c"))
)

func TestTheJSONIsThatOfTheFormat(t *testing.T) {
	moment := time.Date(2026, 11, 21, 11, 17, 18, 376264659, time.FixedZone("", 19800))
	tests := []struct {
		name string
		s    Snapshot
		want string
	}{
		{"the least", Snapshot{ID: idC, Time: moment, Tree: idA},
			`{"time":"2026-11-21T11:17:18.376264659+05:30","tree":"` + idA.String() + `","paths":null}`},
		{"everything", Snapshot{
			Time: moment, Parent: idB, Tree: idA, Paths: []string{"/home/<u>"}, Hostname: "h", Username: "u", UID: 1, GID: 2, Excludes: []string{"*.o"},
			Tags: []string{"run=1"}, Original: idC, ProgramVersion: "backstay 1", Summary: &Summary{
				BackupStart: moment, BackupEnd: moment, FilesNew: 1, FilesChanged: 2, FilesUnmodified: 3, DirsNew: 4, DirsChanged: 5, DirsUnmodified: 6,
				DataBlobs: 7, TreeBlobs: 8, DataAdded: 9, DataAddedPacked: 10, TotalFilesProcessed: 11, TotalBytesProcessed: 12}},
			`{"time":"2026-11-21T11:17:18.376264659+05:30","parent":"` + idB.String() + `","tree":"` + idA.String() + `","paths":["/home/\u003cu\u003e"],` +
				`"hostname":"h","username":"u","uid":1,"gid":2,"excludes":["*.o"],"tags":["run=1"],"original":"` + idC.String() + `","program_version":"backstay 1",` +
				`"summary":{"backup_start":"2026-11-21T11:17:18.376264659+05:30","backup_end":"2026-11-21T11:17:18.376264659+05:30","files_new":1,"files_changed":2,` +
				`"files_unmodified":3,"dirs_new":4,"dirs_changed":5,"dirs_unmodified":6,"data_blobs":7,"tree_blobs":8,"data_added":9,"data_added_packed":10,` +
				`"total_files_processed":11,"total_bytes_processed":12}}`},
	}
	for _, test := range tests {
		p, err := Encode(&test.s)
		if err != nil || string(p) != test.want {
			t.Errorf("%s: Encode = %s, %v, want %s", test.name, p, err, test.want)
		}
		s, err := Decode(p)
		if err != nil {
			t.Fatalf("%s: Decode: %v", test.name, err)
		}
		if again, err := Encode(s); err != nil || !bytes.Equal(again, p) {
			t.Errorf("%s: decoded and encoded it is %s, %v, want %s", test.name, again, err, p)
		}
	}
}

func TestAnIncompleteRecordIsNotEncoded(t *testing.T) {
	for _, s := range []Snapshot{{}, {Tree: idA}, {Time: time.Unix(1, 0)}} {
		if p, err := Encode(&s); err == nil {
			t.Errorf("Encode of %+v = %s", s, p)
		}
	}
}

func TestFilesOfAnotherKindAreToldFromBrokenOnes(t *testing.T) {
	id := idA.String()
	tests := []struct {
		name, doc string
		wrongKind bool
	}{
		{"index", `{"packs":[{"id":"` + id + `","blobs":[]}]}`, true},
		{"lock", `{"time":"2026-01-01T00:00:00Z","exclusive":false,"hostname":"h","username":"u","pid":1}`, true},
		{"config", `{"version":2,"id":"` + id + `","chunker_polynomial":"3da3358b4dc173"}`, true},
		{"key", `{"created":"2026-01-01T00:00:00Z","username":"u","hostname":"h","kdf":"scrypt","N":1,"r":8,"p":1,"salt":"","data":""}`, true},
		{"null tree", `{"time":"2026-01-01T00:00:00Z","tree":null,"paths":[]}`, true},
		{"zero tree", `{"time":"2026-01-01T00:00:00Z","tree":"` + crypto.ID{}.String() + `","paths":[]}`, true},
		{"no time", `{"tree":"` + id + `","paths":[]}`, true},
		{"year 1", `{"time":"0001-01-01T00:00:00Z","tree":"` + id + `","paths":[]}`, true},
		{"null", `null`, true},
		{"nothing", ``, false},
		{"cut", `{"time":"2026-01-01T00:00:00Z","tree":"` + id, false},
		{"short tree", `{"time":"2026-01-01T00:00:00Z","tree":"ab"}`, false},
		{"bad time", `{"time":"yesterday","tree":"` + id + `"}`, false},
		{"trailing", `{"time":"2026-01-01T00:00:00Z","tree":"` + id + `"}x`, false},
	}
	for _, test := range tests {
		s, err := Decode([]byte(test.doc))
		if err == nil || s != nil || errors.Is(err, ErrWrongKind) != test.wrongKind {
			t.Errorf("Decode of %s = %v, %v; want ErrWrongKind: %t", test.name, s, err, test.wrongKind)
		}
	}
}

func TestUnknownFieldsArePassedOver(t *testing.T) {
	s, err := Decode([]byte(`{"new":[1],"time":"1969-12-31T23:00:00-02:00","tree":"` + idA.String() + `","paths":["/a"],"summary":{"new":1,"files_new":3}}`))
	if err != nil || s.Tree != idA || s.Summary.FilesNew != 3 {
		t.Errorf("Decode = %+v, %v", s, err)
	}
}

func TestTheOldestSnapshotComesFirstAndIDsDecideBetweenEquals(t *testing.T) {
	early, late := time.Unix(1, 0), time.Unix(2, 0).In(time.FixedZone("", -3600))
	first, second := &Snapshot{ID: crypto.ID{1}, Time: late}, &Snapshot{ID: crypto.ID{2}, Time: late}
	list := []*Snapshot{second, {ID: crypto.ID{9}, Time: early}, first}
	slices.SortFunc(list, Compare)
	if list[0].ID != (crypto.ID{9}) || list[1] != first || list[2] != second {
		t.Errorf("order is %v", list)
	}
}

func TestFactsAreTags(t *testing.T) {
	shared := []string{"type=full", "nightly", "run=7"}
	s := &Snapshot{Tags: shared}
	if s.Type() != Full || s.Fact(FactRun) != "7" || s.Fact(FactPlan) != "" || !s.Base().IsNull() || !s.HasTag("nightly") || s.HasTag("night") {
		t.Errorf("facts of %q are read wrongly", s.Tags)
	}
	s.SetFact(FactType, string(Incremental))
	s.SetFact(FactBase, idB.String())
	s.SetFact(FactRun, "")
	if want := []string{"nightly", "type=incremental", "base=" + idB.String()}; !slices.Equal(s.Tags, want) {
		t.Errorf("tags = %q, want %q", s.Tags, want)
	}
	if s.Type() != Incremental || s.Base() != idB {
		t.Errorf("type %q, base %s", s.Type(), s.Base())
	}
	if shared[0] != "type=full" {
		t.Errorf("SetFact changed a list that others share: %q", shared)
	}
	s.SetFact(FactBase, "nonsense")
	if !s.Base().IsNull() {
		t.Errorf("base of %q = %s", s.Tags, s.Base())
	}
}

func TestFilterSelectsAsResticDoes(t *testing.T) {
	s := &Snapshot{Hostname: "h", Paths: []string{"/a", "/b"}, Tags: []string{"x", "y"}}
	untagged := &Snapshot{}
	tests := []struct {
		name   string
		filter Filter
		s      *Snapshot
		want   bool
	}{
		{"no condition", Filter{}, s, true},
		{"host", Filter{Hosts: []string{"g", "h"}}, s, true},
		{"another host", Filter{Hosts: []string{"g"}}, s, false},
		{"all tags of one list", Filter{Tags: [][]string{{"z"}, {"y", "x"}}}, s, true},
		{"no list has all its tags", Filter{Tags: [][]string{{"z"}, {"x", "z"}}}, s, false},
		{"untagged", Filter{Tags: [][]string{{""}}}, untagged, true},
		{"tagged where none is wanted", Filter{Tags: [][]string{{""}}}, s, false},
		{"both paths", Filter{Paths: []string{"/b", "/a"}}, s, true},
		{"one path", Filter{Paths: []string{"/a"}}, s, true},
		{"a path too many", Filter{Paths: []string{"/a", "/c"}}, s, false},
		{"a folder below", Filter{Paths: []string{"/a/x"}}, s, false},
		{"one of three conditions fails", Filter{Hosts: []string{"h"}, Tags: [][]string{{"x"}}, Paths: []string{"/c"}}, s, false},
	}
	for _, test := range tests {
		if got := test.filter.Match(test.s); got != test.want {
			t.Errorf("%s: Match = %t, want %t", test.name, got, test.want)
		}
	}
	if got, want := ParseTags("a, b,"), []string{"a", "b", ""}; !slices.Equal(got, want) {
		t.Errorf("ParseTags = %q, want %q", got, want)
	}
}

func TestGroupsAreWhatSnapshotsHaveInCommon(t *testing.T) {
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	list := []*Snapshot{
		{Time: at(4), Hostname: "b", Paths: []string{"/x", "/y"}, Tags: []string{"run=2", "t"}},
		{Time: at(3), Hostname: "a", Paths: []string{"/x"}},
		{Time: at(2), Hostname: "b", Paths: []string{"/y", "/x"}, Tags: []string{"t", "run=1", "type=full"}},
		{Time: at(1), Hostname: "b", Paths: []string{"/y"}, Tags: []string{"plan=p"}},
	}
	tests := []struct {
		by   string
		want string
	}{
		{"", "||: 1 2 3 4"},
		{"host", "a||: 3; b||: 1 2 4"},
		{"host,paths", "a|/x|: 3; b|/x /y|: 2 4; b|/y|: 1"},
		{"tags", "||: 3; ||plan=p: 1; ||t: 2 4"},
		{"host,paths,tags", "a|/x|: 3; b|/x /y|t: 2 4; b|/y|plan=p: 1"},
	}
	for _, test := range tests {
		by, err := ParseGroupBy(test.by)
		if err != nil || by.String() != test.by {
			t.Errorf("ParseGroupBy(%q) = %q, %v", test.by, by, err)
		}
		var got []string
		for _, g := range Split(list, by) {
			line := g.Host + "|" + strings.Join(g.Paths, " ") + "|" + strings.Join(g.Tags, " ") + ":"
			for _, s := range g.Snapshots {
				line += " " + string(rune('0'+s.Time.Unix()))
			}
			got = append(got, line)
		}
		if text := strings.Join(got, "; "); text != test.want {
			t.Errorf("grouped by %q: %s, want %s", test.by, text, test.want)
		}
	}
	if _, err := ParseGroupBy("host,colour"); err == nil {
		t.Error("ParseGroupBy of an unknown word = nil error")
	}
	if list[0].Tags[0] != "run=2" || list[0].Paths[0] != "/x" || list[2].Paths[0] != "/y" {
		t.Error("grouping changed the snapshots")
	}
}

// FuzzDecode takes any bytes for a snapshot: no panic, and what is accepted is encoded and decoded to the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-21T11:17:18.376264659+05:30","parent":null,"tree":"` + idA.String() + `","paths":["/a"],"uid":1,"tags":["run=1"],"summary":{}}`))
	f.Add([]byte(`{"packs":[]}`))
	f.Fuzz(func(t *testing.T, p []byte) {
		s, err := Decode(p)
		if err != nil {
			return
		}
		first, err := Encode(s)
		if err != nil {
			t.Fatalf("Encode of what %q decodes to: %v", p, err)
		}
		again, err := Decode(first)
		if err != nil {
			t.Fatalf("Decode of %s: %v", first, err)
		}
		if second, err := Encode(again); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("encoded twice it differs: %s and %s, %v", first, second, err)
		}
		if again.Tree != s.Tree || !again.Time.Equal(s.Time) || !reflect.DeepEqual(again.Paths, s.Paths) {
			t.Fatalf("%q decodes to %+v, then to %+v", p, s, again)
		}
	})
}
