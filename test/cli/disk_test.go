//go:build linux

package cli

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/test/resticbin"
)

// mount mounts something on a folder of the room until the test ends, or skips the test.
func (r *room) mount(t *testing.T, source, dir, kind string, flags uintptr, data string) {
	t.Helper()
	if err := os.MkdirAll(r.at(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(source, r.at(dir), kind, flags, data); err != nil {
		t.Skipf("SKIPPED: on this machine %s can't be mounted: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(r.at(dir), unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// smallDisk mounts a file system of 8 MiB.
func (r *room) smallDisk(t *testing.T, dir string) {
	t.Helper()
	r.mount(t, "none", dir, "tmpfs", 0, "size=8m")
}

// fill writes to a file until the file system is full.
func (r *room) fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(r.at(name))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// readOnly shows a folder of the room a second time, where nothing can be written.
func (r *room) readOnly(t *testing.T, dir, as string) {
	t.Helper()
	r.mount(t, r.at(dir), as, "bind", unix.MS_BIND, "")
	if err := unix.Mount("", r.at(as), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("SKIPPED: on this machine a folder can't be mounted read-only: %v", err)
	}
}

func TestABackupOntoAFullDiskLeavesASoundRepositoryThatTheNextOneGoesOnWith(t *testing.T) {
	r := enter(t)
	r.smallDisk(t, "disk")
	r.newRepo(t, "disk/repo")
	r.run(t, "backup", "-r", "disk/repo", "src/a").want(t, 0)
	snapshots := r.files(t, "disk/repo/snapshots")
	r.write(t, "src/large", noise(20<<20, 1))

	r.run(t, "backup", "-r", "disk/repo", "src").want(t, 1, `"data/`, "no space left on device", "Free space")
	if now := r.files(t, "disk/repo/snapshots"); !slices.Equal(snapshots, now) {
		t.Errorf("snapshots were %q, after a failed backup %q", snapshots, now)
	}
	r.wantSound(t, "disk/repo")
	t.Run("restic agrees", func(t *testing.T) {
		theirs := resticbin.Repo{Bin: resticbin.Newest(t), Dir: r.at("disk/repo"), Password: password}
		if out, err := theirs.Run(t.Context(), "check", "--read-data"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	r.run(t, "prune", "-r", "disk/repo").want(t, 0)
	if err := os.Truncate(r.at("src/large"), 1<<20); err != nil {
		t.Fatal(err)
	}
	r.run(t, "backup", "-r", "disk/repo", "src").want(t, 0)
	r.wantSound(t, "disk/repo")
}

func TestWhereNoByteIsFreeTheLockIsRefusedAndLookingWorksWithoutIt(t *testing.T) {
	r := enter(t)
	r.smallDisk(t, "disk")
	r.newRepo(t, "disk/repo")
	r.run(t, "backup", "-r", "disk/repo", "src").want(t, 0)
	r.fill(t, "disk/fill")
	r.run(t, "backup", "-r", "disk/repo", "src").want(t, 1, "lock repository", "no space left on device", "Free space")
	r.run(t, "snapshots", "-r", "disk/repo", "--no-lock").want(t, 0)
	r.wantTidy(t, "disk/repo")
	if err := os.Remove(r.at("disk/fill")); err != nil {
		t.Fatal(err)
	}
	r.wantSound(t, "disk/repo")
}

func TestAFullDiskOfOneRepositoryCostsTheOthersNothing(t *testing.T) {
	r := enter(t)
	r.smallDisk(t, "disk")
	r.newRepo(t, "disk/repo")
	r.write(t, "src/large", noise(20<<20, 2))
	r.run(t, "backup", "-r", "disk/repo", "-r", "repo", "src").want(t, 4, `"disk/repo" dropped out`, "no space left on device", "1 repository of 2")
	r.run(t, "dump", "-r", "repo", "latest", "/src/b").want(t, 0)
	r.wantSound(t, "repo")
	r.wantSound(t, "disk/repo")
}

func TestARestoreOntoAFullDiskEndsAtOnceAndGoesOnWhenThereIsRoom(t *testing.T) {
	r := enter(t)
	large := noise(20<<20, 3)
	r.write(t, "src/large", large)
	r.run(t, "backup", "src").want(t, 0)
	r.smallDisk(t, "disk")
	r.run(t, "restore", "latest", "--target", "disk/out").want(t, 1, `"src/large"`, "no space left on device", "Free space")
	if found := r.files(t, "disk"); slices.Contains(found, "disk/out/src/large") {
		t.Errorf("restored half a file under its own name: %q", found)
	}
	r.wantTidy(t, "repo")
	if err := unix.Mount("none", r.at("disk"), "", unix.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	r.run(t, "restore", "latest", "--target", "disk/out").want(t, 0)
	r.wantFile(t, "disk/out/src/large", large)
	r.wantTidy(t, "disk/out")
}

func TestAFullDiskForTemporaryFilesEndsARestoreBeforeItBegins(t *testing.T) {
	r := enter(t)
	r.run(t, "backup", "src").want(t, 0)
	r.smallDisk(t, "small")
	r.fill(t, "small/fill")
	r.env = []string{"TMPDIR=" + r.at("small")}
	r.run(t, "restore", "latest", "--target", "out").want(t, 1, "plan restore", "small/backstay-plan", "no space left on device", "Free space")
	if left := r.files(t, "small", "out"); !slices.Equal(left, []string{"small/fill"}) {
		t.Errorf("left %q", left)
	}
	r.env = nil
	r.wantSound(t, "repo")
}

func TestARepositoryOnAReadOnlyDiskIsReadWithoutALockAndNeverWritten(t *testing.T) {
	r := enter(t)
	r.run(t, "backup", "src").want(t, 0)
	r.readOnly(t, "repo", "disk")
	before := r.files(t, "disk")
	for _, args := range [][]string{{"backup", "src"}, {"forget", "--keep-last", "1"}, {"prune"}, {"snapshots"}, {"restore", "latest", "--target", "out"}} {
		t.Run(args[0], func(t *testing.T) {
			r.run(t, append(args, "-r", "disk")...).want(t, 1, "lock repository", "read-only file system", "--no-lock")
		})
	}
	for _, args := range [][]string{{"snapshots"}, {"check", "--read-data"}, {"ls", "latest"}, {"restore", "latest", "--target", "out"}} {
		t.Run(args[0]+" without a lock", func(t *testing.T) { r.run(t, append(args, "-r", "disk", "--no-lock")...).want(t, 0) })
	}
	r.wantFile(t, "out/src/a", []byte("the first file\n"))
	r.run(t, "init", "-r", "disk/new").want(t, 1, `repository "disk/new"`, "read-only file system")
	if after := r.files(t, "disk"); !slices.Equal(before, after) {
		t.Errorf("there was %q, now there is %q", before, after)
	}
	r.wantSound(t, "repo")
}

func TestARestoreOntoAReadOnlyDiskEndsWithItsReason(t *testing.T) {
	r := enter(t)
	r.run(t, "backup", "src").want(t, 0)
	r.readOnly(t, "home", "disk")
	r.run(t, "restore", "latest", "--target", "disk/out").want(t, 1, "disk/out", "read-only file system")
	r.wantSound(t, "repo")
}
