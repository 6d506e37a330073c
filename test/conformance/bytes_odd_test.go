//go:build linux

package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

// What generated trees lack: several names and attributes of what is no file, attributes of the system's own, modes with all bits.
func TestRareEntriesAreTheSameBytes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root makes devices and trusted attributes")
	}
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		s, work := newSite(t, bin, 2), t.TempDir()
		if err := rareEntries(filepath.Join(work, "tree"), s.old()); err != nil {
			t.Fatal(err)
		}
		t.Chdir(work)
		s.restic.Work = work
		wantSameTree(t, s, everything(), nil, "tree")
		saved, _ := s.ourBackup(t, everything(), filepath.Join(work, "tree"))
		wantTree(t, filepath.Join(work, "tree"), s.ourRestore(t, saved), treegen.Options{}, severalNamesOfAPipe)
		s.check(t)
	})
}

// severalNamesOfAPipe excuses what no snapshot tells: restic leaves the number of links of pipes out, and so do we.
func severalNamesOfAPipe(d treegen.Difference) bool {
	return d.Fact == treegen.SameFile && d.Path == "fifo again"
}

// rareEntries fills a new folder. An old restic destroys link targets that are no UTF-8 and leaves out the attributes of links, so
// then there are none.
func rareEntries(root string, old bool) error {
	in := func(name string) string { return filepath.Join(root, name) }
	target := "\xff<&>\n\u2028\xed\xa0\x80"
	if old {
		target = strings.ToValidUTF8(target, "")
	}
	errs := []error{
		os.Mkdir(root, 0o755), os.Mkdir(in("dir"), 0o755), os.Chmod(in("dir"), 0o777|os.ModeSetuid|os.ModeSetgid|os.ModeSticky),
		unix.Lsetxattr(in("dir"), "system.posix_acl_default", acl(), 0), os.WriteFile(in("file"), []byte("x"), 0), os.Symlink(target, in("link")),
		os.Lchown(in("link"), 4_294_967_293, 12345),
		unix.Lsetxattr(in("file"), "security.x", []byte{0xff, 0}, 0), unix.Lsetxattr(in("file"), "user.long", bytes.Repeat([]byte("y"), 2000), 0),
	}
	largest := int(unix.Mkdev(4095, 1<<20-1))
	for name, mode := range map[string]uint32{"fifo": unix.S_IFIFO | 0o600, "socket": unix.S_IFSOCK | 0o1755, "char": unix.S_IFCHR | 0o666, "block": unix.S_IFBLK | 0o4660} {
		errs = append(errs, unix.Mknod(in(name), mode, largest))
	}
	errs = append(errs, unix.Mknod(in("no device"), unix.S_IFCHR, 0)) // as overlay file systems mark what was removed
	for _, name := range []string{"fifo", "socket", "char", "block", "link", "file", "no device"} {
		errs = append(errs, os.Link(in(name), in(name+" again")))
		if name != "link" || !old {
			errs = append(errs, unix.Lsetxattr(in(name), "trusted.of", []byte(name), 0), unix.Lsetxattr(in(name), "trusted.empty", nil, 0))
		}
	}
	return errors.Join(errs...)
}

// acl is in the kernel's layout: version 2, then tag, permissions and id of the owner, user 1000, the group, the mask and all others.
func acl() []byte {
	const nobody = "\xff\xff\xff\xff"
	return []byte("\x02\x00\x00\x00" + "\x01\x00\x07\x00" + nobody + "\x02\x00\x07\x00\xe8\x03\x00\x00" + "\x04\x00\x05\x00" + nobody +
		"\x10\x00\x07\x00" + nobody + "\x20\x00\x05\x00" + nobody)
}

// A file system in memory holds times of any year. In the year 0 the zones are those of local mean time, which RFC 3339 can't tell:
// see the zones above.
func TestYearsThatFourDigitsDoNotHoldAreTheSameBytes(t *testing.T) {
	const tmpfs = 0x01021994
	var fs unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &fs); err != nil || fs.Type != tmpfs {
		t.Skip("SKIPPED: this machine has no tmpfs at /dev/shm")
	}
	work, err := os.MkdirTemp("/dev/shm", "years-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(work); err != nil {
			t.Error(err)
		}
	})
	summer := time.Date(10_000, 7, 1, 12, 0, 0, 0, time.UTC).Unix()
	late := map[string]int64{"last": summer - 1 - 182*86400, "first": summer - 181*86400, "summer": summer, "leap day": time.Date(12_000, 2, 29, 0, 0, 0, 0, time.UTC).Unix(), "far": 1 << 53}
	early := map[string]int64{"before Christ": time.Date(-3, 12, 31, 23, 59, 59, 0, time.UTC).Unix(), "leap day BC": time.Date(-4, 2, 29, 0, 0, 0, 0, time.UTC).Unix()}
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		s := newSite(t, bin, 2)
		t.Chdir(work)
		s.restic.Work = work
		dated(t, "late", late)
		for _, zone := range zones() {
			inZone(t, s, zone)
			wantSameTree(t, s, everything(), nil, "late")
		}
		dated(t, "early", early)
		inZone(t, s, "UTC")
		wantSameTree(t, s, everything(), nil, "early")
	})
}

// dated makes a folder of files of such times, if it isn't there.
func dated(t *testing.T, dir string, times map[string]int64) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, sec := range times {
		path := filepath.Join(dir, name)
		both := []unix.Timespec{{Sec: sec, Nsec: 123_456_789}, {Sec: sec, Nsec: 123_456_789}}
		if err := errors.Join(os.WriteFile(path, nil, 0o644), unix.UtimesNanoAt(unix.AT_FDCWD, path, both, 0)); err != nil {
			t.Fatal(err)
		}
	}
}

// windows is a tree as restic writes it on Windows, with a number in it that is more than a float64 holds.
const windows = `{"nodes":[{"name":"C","type":"dir","mode":2147484159,"mtime":"2024-05-06T07:08:09.1234567+02:00","atime":"2024-05-06T07:08:09.1234567+02:00",` +
	`"ctime":"2024-05-06T07:08:09.1234567+02:00","uid":0,"gid":0,"extended_attributes":[{"name":"EA","value":"AQI="}],` +
	`"generic_attributes":{"windows.creation_time":"/wAAAAAAAAE=","windows.file_attributes":16,"windows.security_descriptor":"AQAUvA==","zz.later":{"a":[9007199254740993,null]}},` +
	`"content":null,"subtree":"ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8"},` +
	`{"name":"link","type":"symlink","mode":134218239,"mtime":"2024-05-06T07:08:09+02:00","atime":"2024-05-06T07:08:09+02:00","ctime":"2024-05-06T07:08:09+02:00",` +
	`"uid":0,"gid":0,"links":1,"linktarget":"\ufffd","linktarget_raw":"/w==","generic_attributes":{"windows.file_attributes":1056},"content":null}]}` + "\n"

// Restic refuses to rewrite a tree that it would encode in other bytes, so it tells whether these are its own.
func TestATreeWithTheAttributesOfWindowsIsTheSameBytes(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		if got := encodedAgain(t, []byte(windows)); string(got) != windows {
			t.Errorf("we encode the tree as\n%s, want\n%s", got, windows)
		}
		saved := s.plantTree(t, []byte(windows))
		wantSameList(t, s, saved)
		if s.old() {
			t.Log("this restic has no rewrite")
			return
		}
		s.run(t, "rewrite", "--exclude", "/nothing", saved.ID.String())
		other := s.plantTree(t, []byte(strings.Replace(windows, `"uid":0,`, `"uid": 0,`, 1)))
		if _, err := s.restic.Run(t.Context(), "rewrite", "--exclude", "/nothing", other.ID.String()); err == nil {
			t.Error("restic rewrites a tree of other bytes without a word")
		}
	})
}

// Restic reads every tree of ours and encodes it anew.
func TestResticEncodesOurTreesAsTheyAre(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		if (&site{restic: resticbin.Repo{Bin: bin}}).old() {
			t.Log("this restic has no rewrite")
			return
		}
		eachSeed(t, 1, func(t *testing.T, seed uint64) {
			t.Parallel()
			s := newSite(t, bin, 2)
			saved, _ := s.ourBackup(t, everything(), newTree(t, treegen.Random(seed+400)))
			s.run(t, "rewrite", "--exclude", "/nothing", saved.ID.String()) // the count of files becomes another one
			for rewritten, err := range snapshot.List(t.Context(), s.ours, snapshot.Filter{}) {
				if err != nil || rewritten.Tree != saved.Tree {
					t.Errorf("restic rewrites our tree %s as %v, %v", saved.Tree.Short(), rewritten, err)
				}
			}
		})
	})
}

// Restic counts regular files only, we all that is no folder; so here are only files and folders.
func TestSummariesOfTheSameFilesAreTheSame(t *testing.T) {
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		if (&site{restic: resticbin.Repo{Bin: bin}}).old() {
			t.Log("the snapshots of this restic have no summary")
			return
		}
		ours, theirs := newSite(t, bin, 2), newSite(t, bin, 2)
		root := newTree(t, treegen.Spec{Seed: 1, Dirs: 10, Files: 60, Traits: treegen.HardLinks | treegen.Names | treegen.Attributes})
		t.Chdir(filepath.Dir(root)) // others change the folders above it
		theirs.restic.Work = filepath.Dir(root)
		for round := range 3 { // all is new, then something has changed, then nothing
			a, _ := ours.ourBackup(t, everything(), "tree")
			b, _ := theirs.theirBackup(t, "tree")
			if a, b := counts(a.Summary), counts(b.Summary); a != b {
				t.Errorf("round %d: our summary is %+v, restic's %+v", round, a, b)
			}
			if round == 0 {
				addFiles(t, root)
			}
		}
	})
}

// counts is the summary without what the polynomial and the time decide.
func counts(s *snapshot.Summary) snapshot.Summary {
	if s == nil {
		return snapshot.Summary{}
	}
	c := *s
	c.BackupStart, c.BackupEnd, c.DataBlobs, c.TreeBlobs, c.DataAdded, c.DataAddedPacked = time.Time{}, time.Time{}, 0, 0, 0, 0
	return c
}

// addFiles adds a file and a folder, changes a file and removes one.
func addFiles(t *testing.T, root string) {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all = append(all, path)
		}
		return err
	})
	if err := errors.Join(err, os.Remove(all[3]), os.WriteFile(all[7], []byte("changed"), 0o644),
		os.Mkdir(filepath.Join(root, "new"), 0o755), os.WriteFile(filepath.Join(root, "new/file"), []byte("new"), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// encodedAgain decodes a tree and encodes it.
func encodedAgain(t *testing.T, p []byte) []byte {
	t.Helper()
	var b tree.Builder
	for node, err := range tree.Decode(p) {
		if err := errors.Join(err, b.Append(&node)); err != nil {
			t.Fatal(err)
		}
	}
	return b.Finish()
}

// plantTree saves a snapshot whose root has these bytes. The tree of an empty folder is there too.
func (s *site) plantTree(t *testing.T, root []byte) *snapshot.Snapshot {
	t.Helper()
	saved := &snapshot.Snapshot{Time: time.Now(), Tree: crypto.Hash(root), Paths: []string{"/planted"}, Hostname: host}
	s.locked(t, repo.Shared, func(ctx context.Context) error {
		w := s.ours.NewWriter()
		defer w.Close()
		for _, p := range [][]byte{root, []byte("{\"nodes\":[]}\n")} {
			if _, err := w.SaveBlob(ctx, pack.Handle{ID: crypto.Hash(p), Type: pack.Tree}, p); err != nil {
				return fmt.Errorf("save tree: %w", err)
			}
		}
		return errors.Join(w.Flush(ctx), snapshot.Save(ctx, s.ours, saved))
	})
	return saved
}
