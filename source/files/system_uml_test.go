package files

import (
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files/filesystem"
)

// otherSystems mounts the FAT and the network file systems of the Linux kernel, with Samba and the kernel's NFS server behind them.
const otherSystems = `
mkdir /run/test/fat /run/test/smb /run/test/nfs /run/share /run/samba /run/exported
truncate -s 64M /run/fat
mkfs.vfat /run/fat
mount -t vfat -o loop,utf8 /run/fat /run/test/fat
ip link set lo up
cat >/run/smb.conf <<end
[global]
  smb ports = 4455
  interfaces = lo
  bind interfaces only = yes
  map to guest = bad user
  guest account = root
  passdb backend = tdbsam:/run/samba/passwords
  private dir = /run/samba
  lock directory = /run/samba
  state directory = /run/samba
  cache directory = /run/samba
  pid directory = /run/samba
  ncalrpc dir = /run/samba/rpc
  log file = /run/samba/log
[share]
  path = /run/share
  read only = no
  guest ok = yes
  force user = root
end
smbd -D -s /run/smb.conf
for i in $(seq 20); do
	mount -t cifs -o port=4455,guest,vers=3.1.1,iocharset=utf8 //127.0.0.1/share /run/test/smb && break
	sleep 0.3
done
truncate -s 64M /run/ext4
mkfs.ext4 -q /run/ext4
mount -o loop /run/ext4 /run/exported
mount -t nfsd nfsd /proc/fs/nfsd
exportfs -o rw,no_root_squash,insecure,no_subtree_check,fsid=0 127.0.0.1:/run/exported
rpc.nfsd -N 3 -V 4 --no-udp -t 2
rpc.mountd --no-udp
timeout 60 mount -t nfs4 -o vers=4.2 127.0.0.1:/ /run/test/nfs`

func Test_FAT_and_network_file_systems_hold_what_the_table_says(t *testing.T) {
	if insideUML(t, "loop vfat ext4 cifs nls_utf8 nls_cp437 nls_ascii nfsd nfsv4", otherSystems,
		"mkfs.vfat", "mkfs.ext4", "ip", "smbd", "mount.cifs", "exportfs", "rpc.nfsd", "mount.nfs4") {
		return
	}
	t.Run("FAT", func(t *testing.T) { likeFAT(t, "/run/test/fat", "FAT") })
	t.Run("where nothing tells that names are one none overwrites another", func(t *testing.T) { notKnown(t, "/run/test/fat/unknown") })
	t.Run("SMB", func(t *testing.T) { overSMB(t, "/run/test/smb") })
	t.Run("NFS", func(t *testing.T) { overNFS(t, "/run/test/nfs") })
	t.Run("tmpfs of an old kernel", func(t *testing.T) {
		for _, c := range planOf(t, NewTarget("/run/test/tmpfs", TargetOptions{}), allKinds()) {
			if want := c.Path == "d/attribute"; (c.Without == entry.LossAttributes) != want {
				t.Errorf("plan of %q: without %q", c.Path, c.Without)
			}
		}
	})
}

// notKnown restores to FAT as to a file system that nothing is known of.
func notKnown(t *testing.T, dir string) {
	s := newStored()
	private := func(e *entry.Entry) { e.Mode = fs.ModeDir | 0o700 }
	s.add("A", entry.Dir, "", private)
	s.add("A/x", entry.File, "1")
	s.add("F", entry.File, "first")
	s.add("a", entry.Dir, "", private)
	s.add("a/x", entry.File, "2")
	s.add("f", entry.File, "second")
	target := NewTarget(dir, TargetOptions{})
	target.systemOf = func(int) *filesystem.System {
		return &filesystem.System{Kind: filesystem.Kinds[len(filesystem.Kinds)-1], Mount: filesystem.Mount{Type: "fuse.other"}}
	}
	reports, err := applyPlan(t.Context(), target, s, planOf(t, target, s))
	if err != nil {
		t.Fatal(err)
	}
	if got := failures(reports); !slices.Equal(got, []string{"a/x", "f"}) && !slices.Equal(got, []string{"A/x", "F"}) {
		t.Errorf("failed: %q", got)
	}
	if got := reports["A"].Without | reports["a"].Without; got != entry.LossMode {
		t.Errorf("a folder is said to be without %q", got)
	}
}

// overSMB tests a share as Windows has it, without POSIX extensions.
func overSMB(t *testing.T, dir string) {
	if got := systemAt(t, dir).Name; got != "SMB" {
		t.Fatalf("the file system is taken for %q", got)
	}
	keepsOther(t, filepath.Join(dir, "other"))
	system, things, err := NewTarget(filepath.Join(dir, "not/yet/there"), TargetOptions{}).Unsure()
	if system != "SMB" || len(things) != 5 || err != nil {
		t.Errorf("Unsure = %q, %q, %v", system, things, err)
	}
	target, s := NewTarget(filepath.Join(dir, "all"), TargetOptions{}), allKinds()
	reports, err := applyPlan(t.Context(), target, s, planOf(t, target, s))
	if err != nil {
		t.Fatal(err)
	}
	if got := failures(reports); !slices.Equal(got, []string{"d/fifo", "d/link", "d/null", "d/upper"}) {
		t.Errorf("failed: %q", got)
	}
	for path, want := range map[string]entry.Loss{
		"d/Upper": entry.LossOwner | entry.LossMode, "d/acl": entry.LossMode | entry.LossACL, "d/attribute": entry.LossMode | entry.LossAttributes,
		"d/colon:": entry.LossMode, "d/end.": entry.LossMode, "d/hard2": 0, "d/early": entry.LossMode,
	} {
		if got := reports[path].Without; got != want {
			t.Errorf("%q: without %q, want %q", path, got, want)
		}
	}
	for _, c := range planOf(t, target, s) {
		if c.Type == entry.File && c.Action == entry.Overwrite {
			t.Errorf("second plan: %s %q (%s)", c.Action, c.Path, c.Reason)
		}
	}
}

func overNFS(t *testing.T, dir string) {
	if got := systemAt(t, dir).Name; got != "NFS" {
		t.Fatalf("the file system is taken for %q", got)
	}
	target, s := NewTarget(filepath.Join(dir, "all"), TargetOptions{}), allKinds()
	for path, c := range restoreAll(t, target, s) {
		if want := path == "d/acl"; (c.Without == entry.LossACL) != want || !want && c.Without != 0 {
			t.Errorf("%q: without %q", path, c.Without)
		}
	}
	for _, c := range planOf(t, target, s) {
		if c.Action != entry.Unchanged {
			t.Errorf("second plan: %s %q (%s)", c.Action, c.Path, c.Reason)
		}
	}
}
