package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/resticbin"
)

// theirs is what restic shows of snapshots.
type theirs struct {
	ID, Original string
	Tags         []string
}

func (b *backed) restic(t *testing.T) (all []theirs) {
	t.Helper()
	repo := resticbin.Repo{Bin: resticbin.Newest(t), Dir: b.location, Password: b.password(t)}
	out, err := repo.Run(t.Context(), "snapshots", "--json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return all
}

func TestATaggedSnapshotHasItsTagsInResticAndStaysWhatItIs(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := back(t, s, nil)
		b.backUp(t)
		before := b.snapshots(t)[0]
		var tagged, again backstay.Snapshot
		s.Owner.Post(t, "/snapshots/"+before.ID+"/tags", map[string]any{"add": []string{"monthly", "before upgrade"}}, &tagged)
		s.Owner.Post(t, "/snapshots/"+before.ID+"/tags", map[string]any{"remove": []string{"before upgrade"}}, &again)
		if again.Handle == tagged.Handle || tagged.Handle == before.Handle || again.Original != before.Handle || again.Plan != before.Plan {
			t.Errorf("first %+v, then %+v, then %+v", before, tagged, again)
		}
		all := b.restic(t)
		if len(all) != 1 || all[0].ID != again.Handle || all[0].Original != before.Handle || !slices.Equal(all[0].Tags, append(slices.Clone(before.Tags), "monthly")) {
			t.Errorf("restic shows %+v, want the tags %q and monthly", all, before.Tags)
		}
		s.Owner.Post(t, "/repositories/"+b.repository+"/scan", nil, nil)
		b.quiet(t)
		if left := b.snapshots(t); len(left) != 1 || left[0].ID != before.ID || left[0].Handle != again.Handle || left[0].Run != before.Run {
			t.Errorf("after a scan the records are %+v", left)
		}
		file := b.dir + "/file"
		if got := s.Owner.Ask(t, "GET", "/snapshots/"+before.ID+"/content?path="+file, nil); string(got.Body) != "what is to be kept" {
			t.Errorf("the file of it is %d %s", got.Status, got.Body)
		}
		b.backUp(t) // finds what to compare with
		if all := b.snapshots(t); len(all) != 2 {
			t.Errorf("after another backup there are %d snapshots", len(all))
		}
		for _, refused := range []string{"plan=other", "run=1", "source=x", "protected", "backstay-server", "", "a,b", " a", "a\nb", strings.Repeat("x", 101)} {
			for _, field := range []string{"add", "remove"} {
				s.Owner.Ask(t, "POST", "/snapshots/"+before.ID+"/tags", map[string]any{field: []string{refused}}).Refused(t, http.StatusUnprocessableEntity, "invalid")
			}
		}
		s.Person(t, "Rita Restorer", "restorer", "/project/"+b.project).Ask(t, "POST", "/snapshots/"+before.ID+"/tags", map[string]any{"add": []string{"x"}}).Refused(t, http.StatusForbidden, "denied")
	})
}

func TestATagThatCantBeWrittenIsToldAsAFailure(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := back(t, s, nil)
		b.backUp(t)
		before := b.snapshots(t)[0]
		if err := os.Remove(filepath.Join(b.location, "snapshots", before.Handle)); err != nil {
			t.Fatal(err)
		}
		got := s.Owner.Ask(t, "POST", "/snapshots/"+before.ID+"/tags", map[string]any{"add": []string{"monthly"}})
		var trail struct{ Items []struct{ Result string } }
		s.Owner.Get(t, "/audit-events?action=snapshot.tagged", &trail)
		if got.Status < 400 || got.Status >= 500 || len(trail.Items) != 2 || trail.Items[0].Result != "failed" || trail.Items[1].Result != "allowed" {
			t.Errorf("the answer is %d %s, the trail %+v", got.Status, got.Body, trail.Items)
		}
		if after := b.snapshots(t)[0]; after.Handle != before.Handle || slices.Contains(after.Tags, "monthly") {
			t.Errorf("the record is %+v", after)
		}
	})
}
