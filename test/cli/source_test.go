//go:build linux

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// whileReading backs src up, with two large files in it first, and calls change when the first of their packs is stored. The rate of
// uploads is limited so that the backup is then still far from its end.
func (r *room) whileReading(t *testing.T, change func()) outcome {
	t.Helper()
	const size = 24 << 20
	r.write(t, "src/0", noise(size, 5))
	r.write(t, "src/1", noise(size, 6))
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if packs, err := filepath.Glob(r.at("repo/data/??/[0-9a-f]*")); err != nil || len(packs) > 0 {
				change()
				return
			}
		}
		t.Error("no pack was stored")
	}()
	o := r.run(t, "backup", "--limit-upload", fmt.Sprint(size>>10), "--pack-size", "4", "src")
	<-changed
	return o
}

func TestAFileThatVanishesBeforeItIsReadIsNamedAndTheOthersAreSaved(t *testing.T) {
	r := enter(t)
	for i := range 40 { // more than are opened at once
		r.write(t, fmt.Sprintf("src/2-%02d", i), noise(1<<20, uint64(100+i)))
	}
	r.write(t, "src/z", []byte("soon gone"))
	r.whileReading(t, func() {
		if err := os.Remove(r.at("src/z")); err != nil {
			t.Error(err)
		}
	}).want(t, 3, "src/z: open: no such file or directory", "the snapshot lacks what could not be read: 1 file")
	r.run(t, "restore", "latest", "--target", "out").want(t, 0)
	r.wantFile(t, "out/src/a", []byte("the first file\n"))
	r.wantFile(t, "out/src/1", noise(24<<20, 6))
	r.wantSound(t, "repo")
}

func TestAFileThatChangesWhileItIsReadIsKeptAndReadAgainNextTime(t *testing.T) {
	r := enter(t)
	r.whileReading(t, func() {
		f, err := os.OpenFile(r.at("src/1"), os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = f.WriteString("one line more\n")
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Error(err)
		}
	}).want(t, 0, `"src/1" changed while it was read`)
	r.run(t, "backup", "src").want(t, 0)
	r.run(t, "restore", "latest", "--target", "out").want(t, 0)
	r.wantFile(t, "out/src/1", append(noise(24<<20, 6), "one line more\n"...))
	r.wantSound(t, "repo")
}

func TestAPathThatIsNotThereCostsNoOther(t *testing.T) {
	r := enter(t)
	r.run(t, "backup", "src", "missing").want(t, 3, "missing", "no such file", "1 file", "What could be read is safe")
	r.run(t, "restore", "latest", "--target", "out").want(t, 0)
	r.wantFile(t, "out/src/a", []byte("the first file\n"))
	r.wantSound(t, "repo")
}

func TestAFileThatMayNotBeReadIsNamedAndTheOthersAreSaved(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: on this machine only root can become another user")
	}
	r := enter(t)
	if err := os.Chmod(r.at("src/b"), 0); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	err := filepath.WalkDir(r.dir, func(name string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(name, nobody, nobody))
	})
	if err := errors.Join(err, os.Lchown(r.at("src/b"), 0, 0), os.Chmod(filepath.Dir(r.dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := r.command(t.Context(), "backup", "src")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	finish(t, cmd).want(t, 3, "src/b: open: permission denied", "1 file")
	r.wantSound(t, "repo")
}

func TestAnyNameComesBackAsItWas(t *testing.T) {
	r := enter(t)
	names := []string{"a\nb", "\n", "\x1b[31mred", "\xff\xfe", "a\\b", `"`, "%s", " ", "-n", "*", strings.Repeat("x", 255)}
	for i, name := range names {
		r.write(t, "src/"+name, fmt.Appendf(nil, "content %d", i))
	}
	r.run(t, "backup", "src").want(t, 0)
	r.run(t, "restore", "latest", "--target", "out").want(t, 0)
	for i, name := range names {
		r.wantFile(t, "out/src/"+name, fmt.Appendf(nil, "content %d", i))
	}
	o := r.run(t, "dump", "latest", "/src/a\nb")
	if o.want(t, 0); o.stdout != "content 0" {
		t.Errorf("%v\nwant the content of the file", o)
	}
	o = r.run(t, "ls", "latest", "--json")
	if o.want(t, 0); !strings.Contains(o.stdout, `a\nb`) || strings.Contains(o.stdout, "\x1b") {
		t.Errorf("%v\nwant names of one line each", o)
	}
	r.wantSound(t, "repo")
}

func TestANameWithANewlineIsReportedOnOneLine(t *testing.T) {
	r := enter(t)
	o := r.run(t, "backup", "src", "not\nthere")
	o.want(t, 3, `not\nthere: read metadata`)
	r.wantSound(t, "repo")
}

func TestAFolderOfTenThousandEntriesComesBack(t *testing.T) {
	r := enter(t)
	const count = 10_000
	for i := range count {
		r.write(t, fmt.Sprintf("src/%05d", i), nil)
	}
	r.run(t, "backup", "src").want(t, 0)
	r.run(t, "restore", "latest", "--target", "out").want(t, 0)
	if got := len(r.files(t, "out")); got != count+2 {
		t.Errorf("restored %d files, want %d", got, count+2)
	}
	r.wantSound(t, "repo")
}

func TestAPathOf500FoldersComesBack(t *testing.T) {
	r := enter(t)
	const depth = 500
	name := strings.Repeat("d", 20) // so that the path is longer than any system call takes
	at := openDir(t, r.at("src"))
	for range depth {
		if err := unix.Mkdirat(at, name, 0o755); err != nil {
			t.Fatal(err)
		}
		at = step(t, at, name)
	}
	if err := errors.Join(unix.Symlinkat("the end", at, "link"), unix.Close(at)); err != nil {
		t.Fatal(err)
	}
	r.run(t, "backup", "src").want(t, 0)
	r.run(t, "restore", "latest", "--target", "out").want(t, 0)
	at = openDir(t, r.at("out/src"))
	for range depth {
		at = step(t, at, name)
	}
	target := make([]byte, 100)
	n, err := unix.Readlinkat(at, "link", target)
	if err := errors.Join(err, unix.Close(at)); err != nil || string(target[:n]) != "the end" {
		t.Errorf("at the end is a link to %q, %v", target[:max(n, 0)], err)
	}
	r.wantSound(t, "repo")
}

func openDir(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// step goes from one folder to one in it.
func step(t *testing.T, from int, name string) int {
	t.Helper()
	fd, err := unix.Openat(from, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err := errors.Join(err, unix.Close(from)); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestAnEmptyFileAndASparseOneOf100GiBComeBackWithTheirHoles(t *testing.T) {
	r := enter(t)
	const size, middle = 100 << 30, 50 << 30
	r.write(t, "src/empty", nil)
	r.write(t, "src/sparse", nil)
	writeAt(t, r.at("src/sparse"), middle, []byte("an island"))
	if err := os.Truncate(r.at("src/sparse"), size); err != nil {
		t.Fatal(err)
	}
	r.run(t, "backup", "src").want(t, 0)
	r.run(t, "restore", "latest", "--target", "out").want(t, 0)
	r.wantFile(t, "out/src/empty", nil)
	var stat unix.Stat_t
	if err := unix.Stat(r.at("out/src/sparse"), &stat); err != nil {
		t.Fatal(err)
	}
	if stat.Size != size || stat.Blocks*512 > 1<<20 {
		t.Errorf("restored a file of %d bytes that takes %d on the disk, want %d and not more than 1 MiB", stat.Size, stat.Blocks*512, int64(size))
	}
	if got := readAt(t, r.at("out/src/sparse"), middle, 9); string(got) != "an island" {
		t.Errorf("in the middle is %q", got)
	}
	again := r.run(t, "restore", "latest", "--target", "out", "--overwrite", "always") // compares the bytes, but reads no hole
	again.want(t, 0)
	if !strings.Contains(again.stdout, "unchanged           5 ") {
		t.Errorf("a second restore says %s", again.stdout)
	}
	r.wantSound(t, "repo")
}

func writeAt(t *testing.T, name string, offset int64, p []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(p, offset)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func readAt(t *testing.T, name string, offset int64, n int) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, n)
	_, err = f.ReadAt(p, offset)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimRight(p, "\x00")
}
