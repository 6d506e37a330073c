//go:build linux

package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

func TestWhatResticWroteIsRestoredAndListedByUs(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 4, func(t *testing.T, seed uint64) {
			t.Parallel()
			s := newSite(t, bin, 2)
			root := newTree(t, treegen.Random(seed))
			saved, _ := s.theirBackup(t, root)
			wantSameList(t, s, saved)
			except := nothing
			if s.old() {
				except = lostLinks
			}
			wantTree(t, root, s.ourRestore(t, saved), treegen.Options{Holes: true}, except)
		})
	})
}

func TestADirectoryOfThousandsAndOneTwoHundredDeepAreRestored(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		root := newTree(t, treegen.Spec{Seed: 1, Wide: 5000, Deep: 200})
		theirs, _ := s.theirBackup(t, root)
		wantSameList(t, s, theirs)
		wantTree(t, root, s.ourRestore(t, theirs), treegen.Options{}, nothing)
		ours, a := s.ourBackup(t, everything(), root)
		if a.DataBlobs != 0 {
			t.Errorf("our backup of what restic has added %d data blobs", a.DataBlobs)
		}
		wantTree(t, root, s.theirRestore(t, ours), treegen.Options{}, nothing)
	})
}

// listed is what restic ls tells of an entry.
type listed struct {
	Name  string      `json:"name"`
	Type  string      `json:"type"`
	Path  string      `json:"path"`
	UID   uint32      `json:"uid"`
	GID   uint32      `json:"gid"`
	Size  uint64      `json:"size"`
	Mode  os.FileMode `json:"mode"`
	MTime time.Time   `json:"mtime"`
	ATime time.Time   `json:"atime"`
	CTime time.Time   `json:"ctime"`
}

func (l listed) String() string {
	l.MTime, l.ATime, l.CTime = l.MTime.UTC(), l.ATime.UTC(), l.CTime.UTC()
	return fmt.Sprintf("%+q", fmt.Sprintf("%#v", l))
}

// wantSameList compares our entries of the snapshot with those that restic lists, in their order.
func wantSameList(t *testing.T, s *site, of *snapshot.Snapshot) {
	t.Helper()
	theirs := theirList(t, s, of)
	if err := s.ours.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	i := 0
	for e, err := range restorer.Entries(t.Context(), s.ours, of.Tree, restorer.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		ours := listed{Name: text(t, e.Name), Type: string(e.Type), Path: text(t, "/"+e.Path), UID: e.UID, GID: e.GID, Size: e.Size, Mode: e.Mode,
			MTime: e.ModTime, ATime: e.AccessTime, CTime: e.ChangeTime}
		if i >= len(theirs) || ours.String() != theirs[i].String() {
			t.Fatalf("entry %d is %v for us, restic lists %v", i, ours, theirs[i:min(i+1, len(theirs))])
		}
		i++
	}
	if i != len(theirs) {
		t.Errorf("we have %d entries, restic lists %d", i, len(theirs))
	}
}

func theirList(t *testing.T, s *site, of *snapshot.Snapshot) (list []listed) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(s.run(t, "ls", "--json", of.ID.String())))
	var first json.RawMessage // the snapshot
	if err := decoder.Decode(&first); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		var l listed
		if err := decoder.Decode(&l); err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

// text returns a name as it comes out of JSON, which has no bytes but those of UTF-8.
func text(t *testing.T, name string) (s string) {
	t.Helper()
	if err := json.Unmarshal(marshal(t, name), &s); err != nil {
		t.Fatal(err)
	}
	return s
}
