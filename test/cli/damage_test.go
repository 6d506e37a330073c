//go:build linux

package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// largest returns the largest file below a folder of the room.
func (r *room) largest(t *testing.T, dir string) (name string) {
	t.Helper()
	var size int64 = -1
	for _, f := range r.files(t, dir) {
		info, err := os.Stat(r.at(f))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > size {
			name, size = f, info.Size()
		}
	}
	return name
}

// flip changes one byte of a file.
func (r *room) flip(t *testing.T, name string, offset int) {
	t.Helper()
	p, err := os.ReadFile(r.at(name))
	if err != nil {
		t.Fatal(err)
	}
	p[offset] ^= 0x40
	r.replace(t, name, p)
}

// replace gives a file of a repository, which is write-protected, another content.
func (r *room) replace(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.Remove(r.at(name)); err != nil {
		t.Fatal(err)
	}
	if content != nil {
		r.write(t, name, content)
	}
}

// damagedRoom has a snapshot of src/a, src/b and src/large, whose data is in packs of its own.
func damagedRoom(t *testing.T) (r *room, large string) {
	t.Helper()
	r = enter(t)
	r.run(t, "backup", "src/a", "src/b").want(t, 0)
	r.write(t, "src/large", noise(1<<20, 4))
	r.run(t, "backup", "src").want(t, 0)
	return r, r.largest(t, "repo/data")
}

func TestDamagedDataCostsOnlyItsFilesAndEachIsNamed(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, r *room, pack string){
		"a changed byte":   func(t *testing.T, r *room, pack string) { r.flip(t, pack, 1000) },
		"a missing pack":   func(t *testing.T, r *room, pack string) { r.replace(t, pack, nil) },
		"a truncated pack": func(t *testing.T, r *room, pack string) { r.replace(t, pack, []byte("short")) },
		"an empty pack":    func(t *testing.T, r *room, pack string) { r.replace(t, pack, []byte{}) },
	} {
		t.Run(name, func(t *testing.T) {
			r, pack := damagedRoom(t)
			damage(t, r, pack)
			r.run(t, "restore", "latest", "--target", "out").want(t, 3, "src/large", filepath.Base(pack)[:8], "1 path lost", "check --read-data")
			if got := r.files(t, "out"); !slices.Equal(got, []string{"out/src/a", "out/src/b"}) {
				t.Errorf("restored %q, want what is whole and nothing else", got)
			}
			r.wantFile(t, "out/src/a", []byte("the first file\n"))
			o := r.run(t, "check", "--read-data")
			o.want(t, 1, "the repository is damaged", "Don't prune")
			for _, words := range []string{"error: pack " + filepath.Base(pack)[:8], "snapshots hit: ", "lost: /src/large\n", "remedy: "} {
				if !strings.Contains(o.stdout, words) {
					t.Errorf("%v\nwhich does not say %q", o, words)
				}
			}
			r.run(t, "dump", "latest", "/src/large").want(t, 1, `dump "/src/large"`, "damaged", "check --read-data")
			r.wantTidy(t, "repo")
		})
	}
}

func TestNothingIsDeletedWhileDataIsMissing(t *testing.T) {
	r, pack := damagedRoom(t)
	r.replace(t, pack, nil)
	before := r.files(t, "repo")
	r.run(t, "prune").want(t, 1, "nothing was removed", filepath.Base(pack)[:8])
	if after := r.files(t, "repo"); !slices.Equal(before, after) {
		t.Errorf("there was %q, now there is %q", before, after)
	}
}

func TestADamagedIndexIsNamedAndIsMendedByRepair(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, r *room, file string){
		"a changed byte": func(t *testing.T, r *room, file string) { r.flip(t, file, 40) },
		"an empty file":  func(t *testing.T, r *room, file string) { r.replace(t, file, []byte{}) },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := damagedRoom(t)
			damaged := r.largest(t, "repo/index")
			damage(t, r, damaged)
			for _, args := range [][]string{{"restore", "latest", "--target", "out"}, {"backup", "src"}, {"prune"}} {
				r.run(t, args...).want(t, 1, "index/"+filepath.Base(damaged)[:8], "damaged")
			}
			r.wantTidy(t, "repo")
			r.run(t, "repair", "index").want(t, 0)
			r.run(t, "restore", "latest", "--target", "out").want(t, 0)
			r.wantSound(t, "repo")
		})
	}
}

func TestADamagedFileAtTheRootIsNotTakenForAMissingRepository(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, r *room)
		code   int
		says   []string
	}{
		"config":           {func(t *testing.T, r *room) { r.flip(t, "repo/config", 40) }, 1, []string{`repository "repo"`, "config is damaged"}},
		"an empty config":  {func(t *testing.T, r *room) { r.replace(t, "repo/config", []byte{}) }, 1, []string{`repository "repo"`, "config is damaged"}},
		"the only key":     {func(t *testing.T, r *room) { r.flip(t, r.largest(t, "repo/keys"), 0) }, 1, []string{`repository "repo"`, "keys/", "damaged"}},
		"no key":           {func(t *testing.T, r *room) { r.replace(t, r.largest(t, "repo/keys"), nil) }, 1, []string{`repository "repo"`, "no key"}},
		"no config at all": {func(t *testing.T, r *room) { r.replace(t, "repo/config", nil) }, 10, []string{`repository "repo"`, "there is no repository"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := enter(t)
			r.run(t, "backup", "src").want(t, 0)
			c.damage(t, r)
			before := r.files(t, "repo")
			r.run(t, "restore", "latest", "--target", "out").want(t, c.code, c.says...)
			r.run(t, "init").want(t, 1, `repository "repo"`, "there is a repository already")
			if after := r.files(t, "repo"); !slices.Equal(before, after) {
				t.Errorf("there was %q, now there is %q", before, after)
			}
		})
	}
}

func TestADamagedSnapshotHidesNoOtherAndStopsWhatDeletes(t *testing.T) {
	r := enter(t)
	r.run(t, "backup", "src/a").want(t, 0)
	damaged := r.files(t, "repo/snapshots")[0]
	r.run(t, "backup", "src").want(t, 0)
	r.flip(t, damaged, 40)
	id := filepath.Base(damaged)[:8]
	o := r.run(t, "snapshots")
	o.want(t, 1, "snapshots/"+id, "damaged", "1 of the snapshot files could not be read")
	if !strings.Contains(o.stdout, "\n1 snapshot\n") {
		t.Errorf("%v\nwant the other snapshot in it", o)
	}
	r.run(t, "restore", "latest", "--target", "out").want(t, 0, id)
	r.wantFile(t, "out/src/a", []byte("the first file\n"))
	before := r.files(t, "repo")
	r.run(t, "forget", "--keep-last", "1").want(t, 1, id, "damaged")
	r.run(t, "prune").want(t, 1, "nothing was removed", id)
	if after := r.files(t, "repo"); !slices.Equal(before, after) {
		t.Errorf("there was %q, now there is %q", before, after)
	}
}
