package entry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/entry"
)

func planned(changes []entry.Change) iter.Seq2[entry.Change, error] {
	return func(yield func(entry.Change, error) bool) {
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

var someChanges = []entry.Change{
	{Path: "a", Type: entry.Dir, Action: entry.Create},
	{Path: "a/inv\xff\xfe\n\"quoted\\", Type: entry.File, Action: entry.Overwrite, Size: 5, Old: 7, Reason: "content differs"},
	{Path: "a/plain", Type: entry.File, Action: entry.Update, Size: 1 << 60, Old: 1},
	{Path: "a/" + strings.Repeat("long", 30000), Type: entry.File, Action: entry.Delete, Old: 3},
	{Path: "a/less", Type: entry.File, Action: entry.Create, Without: entry.LossOwner | entry.LossACL},
	{Path: "ünï", Type: entry.Symlink, Action: entry.Skip, Reason: "newer <here> & now"},
}

func write(t *testing.T, changes []entry.Change) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := entry.WritePlan(&b, planned(changes)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(p []byte) (changes []entry.Change, err error) {
	for c, err := range entry.ReadPlan(bytes.NewReader(p)) {
		if err != nil {
			return changes, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func TestAPlanIsReadAsItWasWritten(t *testing.T) {
	for n := range len(someChanges) + 1 {
		got, err := read(write(t, someChanges[:n]))
		if err != nil || !slices.Equal(got, someChanges[:n]) {
			t.Errorf("plan of %d changes reads as %v, %v", n, got, err)
		}
	}
}

func TestAPlanThatWasChangedOrCutIsRefused(t *testing.T) {
	whole := write(t, someChanges)
	for i := 0; i < len(whole); i += 1 + i/400*97 { // every byte at first, then now and then
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		if got, err := read(changed); err == nil && !slices.Equal(got, someChanges) {
			t.Errorf("plan with byte %d (%q) changed reads as %v without an error", i, whole[i], got)
		}
		if _, err := read(whole[:i]); !errors.Is(err, entry.ErrPlan) {
			t.Errorf("plan cut to %d bytes: error %v, want ErrPlan", i, err)
		}
	}
}

func TestThePlanOfABrokenSourceIsNoPlan(t *testing.T) {
	broken := errors.New("broken")
	var b bytes.Buffer
	_, err := entry.WritePlan(&b, func(yield func(entry.Change, error) bool) {
		if yield(someChanges[0], nil) {
			yield(entry.Change{}, broken)
		}
	})
	if !errors.Is(err, broken) {
		t.Errorf("WritePlan = %v, want the source's error", err)
	}
	if _, err := read(b.Bytes()); !errors.Is(err, entry.ErrPlan) {
		t.Errorf("what it wrote reads with error %v, want ErrPlan", err)
	}
}

func TestTotalsCountByAction(t *testing.T) {
	totals := make(entry.Totals)
	for _, c := range append(someChanges, entry.Change{Action: entry.Overwrite, Size: 10}) {
		totals.Add(c)
	}
	if want := (entry.Total{Count: 2, Bytes: 15}); totals[entry.Overwrite] != want {
		t.Errorf("totals of overwrite = %+v, want %+v", totals[entry.Overwrite], want)
	}
}

func TestPlainLinesAreTheJSONOfAnyOther(t *testing.T) {
	for _, c := range someChanges {
		p := write(t, []entry.Change{c})
		line, _, _ := bytes.Cut(p, []byte("\n"))
		want, err := json.Marshal(c)
		if err != nil || !bytes.Equal(line, want) {
			t.Errorf("line %s, want %s (%v)", line, want, err)
		}
	}
}
