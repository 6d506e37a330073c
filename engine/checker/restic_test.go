package checker_test

import (
	"testing"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/corrupt"
	"github.com/backstay/backstay/test/resticbin"
)

// verdicts are whether all is well, to restic and to us. Where the two differ, it is restic that misses something. Packs that are
// missing or cut are not among them: restic tries for minutes to read them.
var verdicts = map[string]struct{ restic, ours bool }{
	"sound":                                         {true, true},
	"a bit of the last tag in data1":                {false, false},
	"a bit of the header in data2":                  {false, false},
	"the index lists data1 with an offset too high": {false, false},
	"index1 is missing":                             {false, false},
	"a blob has content that is not its name":       {false, false},
	"a tree has a file with content null":           {false, false},
	"a tree has a node of an unknown type":          {false, false},
	"a tree has names out of order":                 {true, false},
	"a tree has a name that leads out of it":        {true, false},
	"a file has a wrong size":                       {true, true},
	"a snapshot has a wrong bit":                    {false, false},
	"a file of index is copied to snapshots":        {false, false},
	"data and trees in one pack":                    {true, true},
	"a temporary file is left among the packs":      {true, true},
	"a pack without index":                          {true, true},
	"an index file is an object of nothing":         {true, false},
}

func TestVerdictsAgreeWithResticOnAFolder(t *testing.T) {
	bin := resticbin.Newest(t)
	tried := 0
	for _, v := range corrupt.Variants() {
		want, ok := verdicts[v.Name]
		if !ok {
			continue
		}
		tried++
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			l := corrupt.New(t)
			v.Damage(l)
			dir := l.Folder(t)
			r, err := repo.Open(t.Context(), local.New(local.OS{}, dir, local.Options{}), corrupt.Password, corrupt.Options())
			if err != nil {
				t.Fatal(err)
			}
			found, report := check(t, r, checker.Options{ReadData: true})
			if report.OK() != want.ours {
				t.Errorf("OK = %t, want %t: %v", report.OK(), want.ours, facts(found))
			}
			_, err = resticbin.Repo{Bin: bin, Dir: dir, Password: corrupt.Password}.Run(t.Context(), "check", "--read-data")
			if (err == nil) != want.restic {
				t.Errorf("restic check = %v, want good: %t", err, want.restic)
			}
		})
	}
	if tried != len(verdicts) {
		t.Errorf("%d of %d verdicts are about a variant that is there", tried, len(verdicts))
	}
}
