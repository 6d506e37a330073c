package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// asNobody makes this goroutine's file accesses those of a user without rights, and gives that user dir.
func asNobody(t *testing.T, dir string) (uid int) {
	t.Helper()
	if os.Geteuid() != 0 {
		return os.Geteuid()
	}
	const nobody = 65534
	if err := errors.Join(os.Chown(dir, nobody, nobody), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	if err := errors.Join(unix.Setfsgid(nobody), unix.Setfsuid(nobody)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(unix.Setfsuid(0), unix.Setfsgid(0)); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
	return nobody
}

func Test_a_user_restores_into_read_only_directories_and_keeps_what_he_owns(t *testing.T) {
	dir := t.TempDir()
	uid := asNobody(t, dir)
	target := NewTarget(dir, TargetOptions{})
	target.uid, target.gid = uid, uid
	s := newStored()
	mine := func(e *entry.Entry) { e.UID, e.GID = uint32(uid), uint32(uid) }
	s.add("d", entry.Dir, "", mine, func(e *entry.Entry) { e.Mode = fs.ModeDir | 0o555 })
	s.add("d/a", entry.File, "", mine)
	s.add("d/b", entry.File, "", func(e *entry.Entry) { e.UID, e.GID, e.Mode = 1, 1, 0o755|fs.ModeSetuid })
	s.add("d/trusted", entry.File, "", mine, func(e *entry.Entry) {
		e.Attributes = []entry.Attribute{{Name: "trusted.x", Value: []byte("1")}, {Name: "user.x", Value: []byte("1")}}
	})
	reports := restoreAll(t, target, s)
	if st := lstat(t, filepath.Join(dir, "d/b")); int(st.Uid) != uid || st.Mode&0o7777 != 0o755 || reports["d/b"].Reason == "" {
		t.Errorf("a file of another user has owner %d, mode %o and the report %q", st.Uid, st.Mode&0o7777, reports["d/b"].Reason)
	}
	if os.Geteuid() != 0 && reports["d/trusted"].Reason == "" { // the right to set it is not bound to file accesses
		t.Error("an attribute that only root may set is left out silently")
	}
	if err := errors.Join(os.Chmod(filepath.Join(dir, "d"), 0o755), os.Remove(filepath.Join(dir, "d/a")), os.Chmod(filepath.Join(dir, "d"), 0o555)); err != nil {
		t.Fatal(err)
	}
	restoreAll(t, target, s)
	if st := lstat(t, filepath.Join(dir, "d")); st.Mode&0o7777 != 0o555 || !modTime(&st).Equal(testTime) {
		t.Errorf("the directory has mode %o and time %v", st.Mode&0o7777, modTime(&st))
	}
	if got := inWords(planOf(t, target, s)); got != "unchanged d\nunchanged d/a\nunchanged d/b\nunchanged d/trusted" {
		t.Errorf("last plan:\n%s", got)
	}
	if err := os.Chmod(filepath.Join(dir, "d"), 0o755); err != nil { // so that it can be removed
		t.Fatal(err)
	}
}

func Test_an_unchanged_directory_keeps_its_times_when_something_in_it_is_restored(t *testing.T) {
	s := newStored()
	mine := func(e *entry.Entry) { e.UID, e.GID = uint32(os.Geteuid()), uint32(os.Getegid()) }
	s.add("d", entry.Dir, "", mine)
	s.add("d/x", entry.File, "x", mine)
	dir := t.TempDir()
	target := NewTarget(dir, TargetOptions{})
	restoreAll(t, target, s)
	path := filepath.Join(dir, "d")
	if err := errors.Join(os.Remove(filepath.Join(path, "x")), os.Chtimes(path, testTime, testTime)); err != nil {
		t.Fatal(err)
	}
	if got := inWords(planOf(t, target, s)); got != "unchanged d\ncreate d/x" {
		t.Fatalf("plan:\n%s", got)
	}
	restoreAll(t, target, s)
	if st := lstat(t, path); !modTime(&st).Equal(testTime) {
		t.Errorf("the directory was modified %v, want %v", modTime(&st), testTime)
	}
}

func Test_without_the_owner_there_is_no_setuid_bit(t *testing.T) {
	s := newStored()
	s.add("suid", entry.File, "x", func(e *entry.Entry) { e.UID, e.GID, e.Mode = 1234, 1234, 0o755|fs.ModeSetuid|fs.ModeSetgid })
	dir := t.TempDir()
	reports := restoreAll(t, NewTarget(dir, TargetOptions{NoOwner: true}), s)
	if st := lstat(t, filepath.Join(dir, "suid")); int(st.Uid) != os.Geteuid() || st.Mode&0o7777 != 0o755 || reports["suid"].Reason == "" {
		t.Errorf("owner %d, mode %o, report %q", st.Uid, st.Mode&0o7777, reports["suid"].Reason)
	}
}

func Test_setting_metadata_leaves_other_names_of_a_file_alone(t *testing.T) {
	s := newStored()
	s.add("f", entry.File, "same")
	dir := t.TempDir()
	other := filepath.Join(t.TempDir(), "other")
	if err := errors.Join(os.WriteFile(other, []byte("same"), 0o600), os.Link(other, filepath.Join(dir, "f"))); err != nil {
		t.Fatal(err)
	}
	target := NewTarget(dir, TargetOptions{})
	lie := []entry.Change{{Path: "f", Type: entry.File, Action: entry.Update}}
	if reports, err := applyPlan(t.Context(), target, s, lie); err != nil || reports["f"].Action != entry.Failed {
		t.Errorf("update of a file with another name: %+v, %v", reports["f"], err)
	}
	if got := inWords(planOf(t, target, s)); got != "overwrite f" {
		t.Errorf("plan = %q, want a new file", got)
	}
	restoreAll(t, target, s)
	if st := lstat(t, other); st.Mode&0o777 != 0o600 || st.Nlink != 1 {
		t.Errorf("the other name has mode %o and %d names", st.Mode&0o777, st.Nlink)
	}
}

func Test_wrong_sizes_on_record_and_attributes_left_over_are_set_right(t *testing.T) {
	s := newStored()
	s.add("longer", entry.File, "0123456789", func(e *entry.Entry) { e.Size = 4 })
	s.add("shorter", entry.File, "01", func(e *entry.Entry) { e.Size = 4 })
	s.add("tagged", entry.File, "01")
	dir := t.TempDir()
	target := NewTarget(dir, TargetOptions{})
	reports := restoreAll(t, target, s)
	for _, name := range []string{"longer", "shorter"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != string(s.bytes[name]) || reports[name].Reason == "" {
			t.Errorf("%q holds %q, %v; report %q", name, got, err, reports[name].Reason)
		}
	}
	if err := unix.Setxattr(filepath.Join(dir, "tagged"), "user.extra", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	if changes := planOf(t, target, s); changes[2].Action != entry.Update {
		t.Errorf("plan for an attribute too many = %+v", changes[2])
	}
	restoreAll(t, target, s)
	if _, err := unix.Getxattr(filepath.Join(dir, "tagged"), "user.extra", nil); err != unix.ENODATA {
		t.Errorf("the attribute is still there: %v", err)
	}
}

func Test_a_second_restore_to_the_same_target_is_refused(t *testing.T) {
	s := newStored()
	s.add("f", entry.File, "x")
	target := NewTarget(t.TempDir(), TargetOptions{})
	plan := planOf(t, target, s)
	s.stop = func(string, int64) error {
		if _, err := applyPlan(t.Context(), target, s, nil); err == nil {
			t.Error("a second restore began while the first was at work")
		}
		return nil
	}
	if _, err := applyPlan(t.Context(), target, s, plan); err != nil {
		t.Fatal(err)
	}
}

func Test_a_handle_in_use_is_never_closed_and_idle_ones_are_bounded(t *testing.T) {
	pool := &restorePool{limit: 3}
	var handles []*restoreHandle
	for range 40 {
		handles = append(handles, newRestoreHandle(func() (int, error) {
			return unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				err := pool.use(handles[(i*7+g)%len(handles)], func(fd int) error {
					if i%100 == 0 {
						time.Sleep(100 * time.Microsecond) // long enough for others to want room
					}
					var st unix.Stat_t
					return unix.Fstat(fd, &st)
				})
				if err != nil {
					t.Errorf("use: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := pool.opened.Len(); n > 3+4 {
		t.Errorf("%d handles are open, want about 3", n)
	}
	held := handles[0]
	err := pool.use(held, func(fd int) error {
		var before, after unix.Stat_t
		if err := unix.Fstat(fd, &before); err != nil {
			return err
		}
		for _, h := range handles[1:] {
			if err := pool.use(h, func(int) error { return nil }); err != nil {
				return err
			}
		}
		if held.fd != fd {
			t.Error("a handle in use was closed")
		}
		return unix.Fstat(fd, &after)
	})
	if err := errors.Join(err, pool.closeAll()); err != nil {
		t.Error(err)
	}
	if pool.opened.Len() != 0 {
		t.Error("closeAll leaves handles open")
	}
}

func Test_a_directory_that_was_replaced_while_closed_is_not_used_again(t *testing.T) {
	base := t.TempDir()
	if err := os.Mkdir(filepath.Join(base, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	target := NewTarget(base, TargetOptions{})
	fd, err := target.open()
	if err != nil {
		t.Fatal(err)
	}
	pool := &restorePool{limit: 1}
	d := newAtRoot(pool, target.systems(), fd).child("d")
	nothing := func(int) error { return nil }
	if err := errors.Join(d.use(nothing), pool.close(d.handle), d.use(nothing), pool.close(d.handle)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(filepath.Join(base, "d"), filepath.Join(base, "old")), os.Mkdir(filepath.Join(base, "d"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := d.use(nothing); err == nil {
		t.Error("another directory was taken for the one that was opened first")
	}
	if err := errors.Join(pool.closeAll(), unix.Close(fd)); err != nil {
		t.Error(err)
	}
}
