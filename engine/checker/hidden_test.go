package checker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/quickrepo"
)

func TestFilesThatWereDeletedInSpiteOfObjectLockAreReported(t *testing.T) {
	kept := storagetest.NewKept(mem.New(), time.Hour, clock.System)
	r, _ := quickrepo.Init(t, kept, 2, quickrepo.Polynomial, repo.Options{})
	if found, _ := check(t, r, checker.Options{}); len(found) > 0 {
		t.Errorf("a new repository has findings: %v", found)
	}
	keys, err := quickrepo.Names(t.Context(), kept, "keys")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(keys, "config") {
		if err := kept.Hide(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	var hidden []string
	found, report := check(t, r, checker.Options{})
	for _, f := range found {
		if f.Kind == checker.HiddenFiles {
			hidden = append(hidden, f.Message)
		}
	}
	if len(hidden) != 2 || report.OK() || !strings.Contains(hidden[0], keys[0]) || !strings.Contains(hidden[1], `"config"`) {
		t.Errorf("check says %q and OK = %t, want an error about a key and one about the config", hidden, report.OK())
	}
}
