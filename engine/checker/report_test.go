package checker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/test/corrupt"
)

func TestTheReportCountsWhatIsThere(t *testing.T) {
	l := corrupt.New(t)
	l.Pack("copy", "a")
	l.IndexFile("copies", l.Entry("copy"))
	var bytes, read int64
	for _, name := range []string{"data1", "trees1", "data2", "trees2", "copy"} {
		bytes += int64(len(l.Get(repo.Packs.Name(l.Packs[name]))))
	}
	var advanced atomic.Int64
	_, report := check(t, l.Open(t), checker.Options{ReadData: true, Progress: func(e progress.Event) {
		if e.Kind == progress.Advanced {
			advanced.Add(e.Bytes)
		}
	}})
	want := checker.Report{Snapshots: 2, IndexFiles: 3, Packs: 5, Trees: 5, Blobs: 11, UnusedBlobs: 1,
		UnusedBytes: int64(l.Places["copy"][0].Length), PacksRead: 5, BytesRead: bytes}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("Report (-want +got):\n%s", diff)
	}
	if read = advanced.Load(); read != bytes {
		t.Errorf("progress tells of %d bytes read, want %d", read, bytes)
	}
}

func TestManyPathsAreCountedAndAFewNamed(t *testing.T) {
	l := corrupt.New(t)
	text := strings.Builder{}
	for i := range 100 {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"name":"f%02d","type":"file","size":1400,"content":[%q]}`, i, l.Blobs["a"].ID)
	}
	l.TreeJSON("many", `{"nodes":[`+text.String()+`]}`)
	l.Pack("many", "many")
	l.IndexFile("many", l.Entry("many"))
	l.Snapshot("third", "many", 3)
	l.Change(repo.Packs, l.Packs["data1"], func(p []byte) []byte { p[l.Places["data1"][0].Offset] ^= 1; return p })

	found, _ := check(t, l.Open(t), checker.Options{ReadData: true})
	if len(found) != 1 {
		t.Fatalf("found %v, want one", facts(found))
	}
	f := found[0]
	if f.PathCount != 102 || len(f.Paths) != 10 || len(f.Snapshots) != 3 || f.Snapshots[0] != l.Snapshots["third"] { // and /docs/a.txt in two trees
		t.Errorf("%d paths, named %q, snapshots %v; want 102, 10 of them, and 3 with the newest first", f.PathCount, f.Paths, f.Snapshots)
	}
	if f.BlobCount != 1 || f.Blobs[0].ID != l.Blobs["a"].ID || f.Blobs[0].Type != "data" {
		t.Errorf("blobs %d %v, want a", f.BlobCount, f.Blobs)
	}
	p, err := json.Marshal(f)
	if err != nil || !strings.HasPrefix(string(p), `{"severity":"error","kind":"pack-damaged","object":{"type":"pack","id":"`+l.Packs["data1"].String()+`"},"message":`) {
		t.Errorf("as JSON: %s, %v", p, err)
	}
}

func TestTheSubsetsOfNPartsAreTogetherAllPacks(t *testing.T) {
	l := corrupt.New(t)
	for i := range 20 {
		name := fmt.Sprint("more", i)
		l.TreeJSON(name, name)
		l.Pack(name, name)
		l.IndexFile(name, l.Entry(name))
	}
	r := l.Open(t)
	total := 0
	for part := 1; part <= 3; part++ {
		n := packsRead(t, r, fmt.Sprintf("%d/3", part))
		if again := packsRead(t, r, fmt.Sprintf("%d/3", part)); again != n {
			t.Errorf("part %d is of %d packs, then of %d", part, n, again)
		}
		if n == 24 {
			t.Errorf("part %d of 3 is all packs", part)
		}
		total += n
	}
	if total != 24 {
		t.Errorf("the three parts are %d packs, want 24", total)
	}
	for text, most := range map[string]int{"100%": 24, "0.001%": 1, "1": 1, "1T": 24} {
		if n := packsRead(t, r, text); n != most {
			t.Errorf("subset %s reads %d packs, want %d", text, n, most)
		}
	}
}

func packsRead(t *testing.T, r *repo.Repo, subset string) int {
	t.Helper()
	s, err := checker.ParseSubset(subset)
	if err != nil {
		t.Fatal(err)
	}
	_, report := check(t, r, checker.Options{ReadData: true, Subset: s})
	return report.PacksRead
}

func TestWhatIsNoSubsetIsRefused(t *testing.T) {
	for _, text := range []string{"", "x", "0/3", "4/3", "1/", "/3", "-1/3", "1/2/3", "0%", "101%", "%", "NaN%", "0", "-5", "5X", "M", "NaN", "Inf", "1e999T"} {
		if s, err := checker.ParseSubset(text); err == nil {
			t.Errorf("ParseSubset(%q) = %v, want an error", text, s)
		}
	}
}

func TestLargePacksAreReadInSpans(t *testing.T) {
	l := corrupt.New(t)
	var names []string
	for i := range 5 {
		name := fmt.Sprint("large", i)
		l.Data(name, 3<<20)
		names = append(names, name)
	}
	l.Data("huge", 9<<20)
	l.Pack("large", append(names, "huge")...)
	l.IndexFile("large", l.Entry("large"))
	r := l.Open(t)
	if found, _ := check(t, r, checker.Options{ReadData: true}); len(found) > 0 {
		t.Fatalf("a sound pack of 24 MiB: found %v", facts(found))
	}
	last := l.Places["large"][5]
	l.Change(repo.Packs, l.Packs["large"], func(p []byte) []byte { p[last.Offset+last.Length-1] ^= 1; return p })
	found, _ := check(t, r, checker.Options{ReadData: true})
	if len(found) != 1 || found[0].BlobCount != 1 || found[0].Blobs[0].ID != last.ID {
		t.Errorf("a wrong bit in the last blob: found %+v", found)
	}
	l.Change(repo.Packs, l.Packs["large"], func(p []byte) []byte { return p[:len(p)-10<<20] })
	found, _ = check(t, r, checker.Options{ReadData: true})
	if len(found) != 1 || found[0].Kind != checker.PackSize || found[0].BlobCount != 2 { // the last, and the one before it in part
		t.Errorf("cut by 10 MiB: found %+v", found)
	}
}

func FuzzParseSubset(f *testing.F) {
	for _, text := range []string{"1/3", "2.5%", "500M", "0/0", "1e-320", "NaN%", "Inf"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := checker.ParseSubset(text)
		if err == nil && s == (checker.Subset{}) {
			t.Errorf("ParseSubset(%q) stands for all packs", text)
		}
	})
}
