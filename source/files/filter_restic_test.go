package files

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/entry"
)

// TestTheSameIsBackedUpAsByRestic compares which files and directories there are, under which names, with a dry run of restic.
func TestTheSameIsBackedUpAsByRestic(t *testing.T) {
	binary, err := exec.LookPath("restic")
	if err != nil {
		t.Skip("restic is not installed: patterns and layout are not compared with it")
	}
	dir := t.TempDir()
	plant(t, dir, "src/a.tmp", "src/b.TMP", "src/sub/a.go", "src/sub/deep/a.go", "src/sub/deep/b.go", "src/tmp/x", "src/tmp/keep",
		"src/empty/", "src/sub-x/y", "src/sub!/y", "src/cached/CACHEDIR.TAG=Signature: 8a477f597d28d172789f06886806bc55 and more",
		"src/cached/x", "src/cached/in/y", "src/uncached/CACHEDIR.TAG=Signature: none", "src/uncached/x", "src/tagged/.nobackup=yes",
		"src/tagged/x", "src/half/.nobackup=ye", "src/half/x", "src/large=0123456789", "src/large+=01234567890", "tmp/z", "other/src/q")
	if err := os.Symlink("src", filepath.Join(dir, "way")); err != nil {
		t.Fatal(err)
	}
	repository := resticRepository(t)
	t.Chdir(dir)
	cases := []struct {
		name  string
		paths []string
		args  []string
		opt   Options
	}{
		{name: "plain", paths: []string{"src"}},
		{name: "dot", paths: []string{"."}},
		{name: "ways", paths: []string{"src/sub", "./src/../other/", "src/tmp/x"}},
		{name: "absolute", paths: []string{dir + "/src/sub"}},
		{name: "within", paths: []string{"src", "src/sub/deep", "src/sub"}},
		{name: "link", paths: []string{"way/sub", "way"}},
		{name: "clash", paths: []string{"tmp/z", dir + "/src/tmp"}},
		{name: "upwards", paths: []string{"../" + filepath.Base(dir) + "/src/sub", "src/tmp"}},
		{name: "name", opt: Options{Exclude: []string{"sub", "*.tmp"}}},
		{name: "rows", opt: Options{Exclude: []string{"sub/deep/*.go", "src/tmp"}}},
		{name: "stars", opt: Options{Exclude: []string{"src/**/a.go", "**/x"}}},
		{name: "root", opt: Options{Exclude: []string{dir + "/src/tmp/*", "/src"}}},
		{name: "back", opt: Options{Exclude: []string{"src/tmp/*", "!src/tmp/keep", "sub/*", "!sub/deep", "deep/b*"}}},
		{name: "above", paths: []string{"src/sub/deep"}, opt: Options{Exclude: []string{"sub"}}},
		{name: "case", opt: Options{InsensitiveExclude: []string{"*.Tmp", "DEEP/A*"}}},
		{name: "caches", args: []string{"--exclude-caches"}, opt: Options{ExcludeCaches: true}},
		{name: "tags", opt: Options{ExcludeIfPresent: []string{".nobackup:yes", "x"}}},
		{name: "tag above", paths: []string{"src/cached/in", "src/tagged"}, args: []string{"--exclude-caches"}, opt: Options{ExcludeCaches: true}},
		{name: "large", args: []string{"--exclude-larger-than", "10"}, opt: Options{ExcludeLargerThan: 10}},
	}
	for _, c := range cases {
		if c.paths == nil {
			c.paths = []string{"src"}
		}
		t.Run(c.name, func(t *testing.T) {
			want := resticPaths(t, binary, repository, c.paths, append(c.args, resticArgs(c.opt)...))
			entries, _ := walk(t, New(c.paths, c.opt))
			var got []string
			for _, e := range entries {
				switch e.Type {
				case entry.Dir:
					got = append(got, "/"+e.Path+"/")
				case entry.File:
					got = append(got, "/"+e.Path)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("paths %q with %+v (-restic +ours):\n%s", c.paths, c.opt, diff)
			}
		})
	}
}

func resticArgs(opt Options) (args []string) {
	for flag, values := range map[string][]string{
		"--exclude": opt.Exclude, "--iexclude": opt.InsensitiveExclude, "--exclude-if-present": opt.ExcludeIfPresent,
	} {
		for _, v := range values {
			args = append(args, flag+"="+v)
		}
	}
	return args
}

// resticRepository copies an empty repository whose key costs nothing to derive, unlike that of a new one.
func resticRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/repository")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RESTIC_PASSWORD", "x")
	plant(t, dir, "data/", "index/", "locks/", "snapshots/")
	return dir
}

// resticPaths returns the files and directories that restic would back up, sorted.
func resticPaths(t *testing.T, binary, repository string, paths, args []string) (found []string) {
	t.Helper()
	args = append([]string{"-r", repository, "--no-cache", "backup", "--dry-run", "--json", "-vv"}, args...)
	cmd := exec.Command(binary, append(args, paths...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("restic %q: %v: %s", args, err, &stderr)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var m struct{ Action, Item string }
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("restic says %q: %v", lines.Text(), err)
		}
		if m.Item != "" {
			found = append(found, m.Item)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
