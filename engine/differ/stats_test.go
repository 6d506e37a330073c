package differ_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/resticbin"
)

// drawFolder draws a folder from few names and contents, so that two of them have much in common.
func drawFolder(t *rapid.T, depth int) folder {
	f := folder{}
	for _, name := range []string{"a", "a-", "a.b", "b"} {
		kinds := 4
		if depth == 0 {
			kinds = 3
		}
		switch rapid.IntRange(0, kinds).Draw(t, "kind") {
		case 1:
			f[name] = file{content: rapid.SampledFrom([]string{"", "1\n", "2\n", "1\n2\n", "3\n1\n"}).Draw(t, "content")}
		case 2:
			f[name] = file{content: "1\n", mode: rapid.SampledFrom([]fs.FileMode{0o600, 0o644}).Draw(t, "mode")}
		case 3:
			f[name] = link(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "target"))
		case 4:
			f[name] = drawFolder(t, depth-1)
		}
	}
	return f
}

// flatten lists what is in a folder by path; a folder itself is nil.
func flatten(into map[string]any, prefix string, f folder) map[string]any {
	for name, v := range f {
		if sub, ok := v.(folder); ok {
			into[prefix+name] = nil
			flatten(into, prefix+name+"/", sub)
			continue
		}
		into[prefix+name] = v
	}
	return into
}

// plainDiff compares path by path.
func plainDiff(a, b map[string]any) (lines []string) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	inTreeOrder := func(x, y string) int { return slices.Compare(strings.Split(x, "/"), strings.Split(y, "/")) }
	for _, path := range slices.SortedFunc(maps.Keys(all), inTreeOrder) {
		before, inA := a[path]
		after, inB := b[path]
		kind := differ.Modified
		switch old, isFile := before.(file); {
		case !inA:
			kind = differ.Added
		case !inB:
			kind = differ.Removed
		case before == after:
			continue
		case fmt.Sprintf("%T", before) != fmt.Sprintf("%T", after):
			kind = differ.Retyped
		case isFile && old.content == after.(file).content:
			kind = differ.Metadata
		}
		lines = append(lines, string(kind)+" "+path)
	}
	return lines
}

// plainCounts counts the blobs that can be reached from one tree and not from the other.
func (s *site) plainCounts(one, other crypto.ID) (c differ.Counts) {
	for h := range set(s.reached[one]) {
		if slices.Contains(s.reached[other], h) {
			continue
		}
		if h.Type == pack.Data {
			c.DataBlobs++
		} else {
			c.TreeBlobs++
		}
		size, _ := s.repo.Index().Size(h)
		c.Bytes += int64(size)
	}
	return c
}

func set(handles []pack.Handle) map[pack.Handle]bool {
	m := make(map[pack.Handle]bool)
	for _, h := range handles {
		m[h] = true
	}
	return m
}

func TestChangesAndCountsAreThoseOfAPlainComparison(t *testing.T) {
	s := newSite(t)
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawFolder(t, 3), drawFolder(t, 3)
		a, b := s.plant(t, before), s.plant(t, after)
		if err := s.writer.Flush(s.ctx); err != nil {
			t.Fatal(err)
		}
		var stats differ.Stats
		got, _ := s.diff(a, b, differ.Options{Stats: &stats})
		if d := cmp.Diff(plainDiff(flatten(map[string]any{}, "", before), flatten(map[string]any{}, "", after)), got); d != "" {
			t.Fatalf("Diff (-want +got):\n%s", d)
		}
		blobs := func(c differ.Counts) differ.Counts {
			return differ.Counts{DataBlobs: c.DataBlobs, TreeBlobs: c.TreeBlobs, Bytes: c.Bytes, Unknown: c.Unknown}
		}
		if got, want := blobs(stats.Added), s.plainCounts(b, a); got != want {
			t.Fatalf("added blobs = %+v, want %+v", got, want)
		}
		if got, want := blobs(stats.Removed), s.plainCounts(a, b); got != want {
			t.Fatalf("removed blobs = %+v, want %+v", got, want)
		}
	})
}

// resticCounts are the numbers that restic prints for one side.
type resticCounts struct {
	Files     int64 `json:"files"`
	Dirs      int64 `json:"dirs"`
	Others    int64 `json:"others"`
	DataBlobs int64 `json:"data_blobs"`
	TreeBlobs int64 `json:"tree_blobs"`
	Bytes     int64 `json:"bytes"`
}

type resticLine struct {
	MessageType  string       `json:"message_type"`
	ChangedFiles int64        `json:"changed_files"`
	Added        resticCounts `json:"added"`
	Removed      resticCounts `json:"removed"`
}

func TestTheCountsAreThoseThatResticPrints(t *testing.T) {
	bin := resticbin.Newest(t)
	data, dir := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "repo")
	restic := resticbin.Repo{Bin: bin, Dir: dir, Password: "password", Work: filepath.Dir(data)}
	run := func(args ...string) []byte {
		t.Helper()
		out, err := restic.Run(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"same/a", "same/b", "changed/a", "changed/b", "gone/a", "gone/deep/b"} {
		put(name, "content of "+name)
	}
	if err := os.Symlink("a", filepath.Join(data, "gone", "link")); err != nil {
		t.Fatal(err)
	}
	run("init")
	run("backup", "data")
	put("changed/b", "another content")
	put("new/copy", "content of same/a") // a blob that is in a directory that stays as it is
	put("new/n", "new content")
	if err := os.RemoveAll(filepath.Join(data, "gone")); err != nil {
		t.Fatal(err)
	}
	run("backup", "data")

	var snapshots []struct {
		ID   string    `json:"id"`
		Tree crypto.ID `json:"tree"`
	}
	if err := restic.JSON(t.Context(), &snapshots, "snapshots"); err != nil || len(snapshots) != 2 {
		t.Fatalf("restic lists %d snapshots, %v", len(snapshots), err)
	}
	want := lastLine(t, run("--json", "diff", snapshots[0].ID, snapshots[1].ID))
	r, err := repo.Open(t.Context(), local.New(local.OS{}, dir, local.Options{}), "password", repo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	var stats differ.Stats
	for c, err := range differ.Diff(t.Context(), r, snapshots[0].Tree, snapshots[1].Tree, differ.Options{Stats: &stats}) {
		if err != nil {
			t.Fatal(c, err)
		}
	}
	got := resticLine{"statistics", stats.Modified, asRestic(stats.Added), asRestic(stats.Removed)}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("statistics (-restic +ours):\n%s", d)
	}
}

func asRestic(c differ.Counts) resticCounts {
	return resticCounts{c.Files, c.Dirs, c.Others, c.DataBlobs, c.TreeBlobs, c.Bytes}
}

func lastLine(t *testing.T, out []byte) (l resticLine) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &l); err != nil {
		t.Fatal(err)
	}
	return l
}
