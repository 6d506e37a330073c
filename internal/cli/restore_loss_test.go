package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/entry"
)

func TestEachKindOfLossIsCountedWithItsFirstExample(t *testing.T) {
	var l restoreLosses
	for _, c := range []entry.Change{
		{Path: "a", Without: entry.LossOwner | entry.LossMode}, {Path: "b", Without: entry.LossOwner}, {Path: "c"},
		{Path: "d", Without: entry.LossLink},
	} {
		l.add(c)
	}
	want := map[string]restoreLoss{"owner": {2, "a"}, "mode": {1, "a"}, "hard link": {1, "d"}}
	if diff := cmp.Diff(want, l.named()); diff != "" {
		t.Errorf("losses (-want +got):\n%s", diff)
	}
}
