package mount_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/mount"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/treegen"
)

func TestASnapshotLooksLikeWhatWasBackedUp(t *testing.T) {
	r := newRepo(t, mem.New())
	data := filepath.Join(t.TempDir(), "data")
	if err := treegen.Generate(data, treegen.Random(7)); err != nil {
		t.Fatal(err)
	}
	backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	m := mountRepo(t, r, mount.Options{TreeCache: 64 << 10, BlobCache: 1 << 20}) // too small for all, so that it is loaded again
	for range 2 {
		found, err := treegen.Compare(data, m.path("snapshots", "latest", data), treegen.Options{IgnoreSockets: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			t.Error(d)
		}
	}
	for _, e := range m.failures() {
		t.Errorf("reported: %s: %v", e.Item, e.Err)
	}
}

func TestSnapshotsStandByTimeIDTagAndHost(t *testing.T) {
	r := newRepo(t, mem.New())
	data := t.TempDir()
	write(t, filepath.Join(data, "f"), []byte("1"))
	first := backUp(t, r, data, snapshot.Snapshot{Time: aTime, Tags: []string{"a/b", ".."}})
	second := backUp(t, r, data, snapshot.Snapshot{Time: aTime.Add(time.Second / 2), Hostname: "other", Tags: []string{"..", "x"}})
	m := mountRepo(t, r, mount.Options{})
	one, two := "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z-1"
	ids := []string{first.ID.Short(), second.ID.Short()}
	slices.Sort(ids)
	for dir, want := range map[string][]string{
		".":          {"hosts", "ids", "snapshots", "tags"},
		"snapshots":  {one, two, "latest"},
		"ids":        ids,
		"tags":       {"_..", "a_b", "x"},
		"tags/_..":   {one, two, "latest"},
		"tags/x":     {two, "latest"},
		"hosts":      {"host", "other"},
		"hosts/host": {one, "latest"},
	} {
		if d := cmp.Diff(want, names(t, m.path(dir))); d != "" {
			t.Errorf("names in %q (-want +got):\n%s", dir, d)
		}
	}
	if got, err := os.Readlink(m.path("snapshots", "latest")); got != two {
		t.Errorf("latest leads to %q, %v, want %q", got, err, two)
	}
	if got, err := os.ReadFile(m.path("ids", first.ID.Short(), data, "f")); string(got) != "1" {
		t.Errorf("ReadFile by ID = %q, %v", got, err)
	}
	if _, err := os.Stat(m.path("tags", "y")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Stat of a tag that nobody uses: %v, want none", err)
	}
}

func TestNewSnapshotsShowUpAndLatestMovesOn(t *testing.T) {
	r := newRepo(t, mem.New())
	data := t.TempDir()
	write(t, filepath.Join(data, "f"), []byte("1"))
	backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	m := mountRepo(t, r, mount.Options{Refresh: time.Millisecond})
	if got, err := os.ReadFile(m.path("snapshots", "latest", data, "f")); string(got) != "1" {
		t.Fatalf("ReadFile = %q, %v", got, err)
	}
	other, err := repo.Open(t.Context(), r.Backend(), "password", repo.Options{}) // another program, whose index we have to read
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(data, "f"), []byte("2"))
	backUp(t, other, data, snapshot.Snapshot{Time: aTime.Add(time.Hour)})
	deadline := time.Now().Add(10 * time.Second) // the kernel remembers the old link for a second
	for {
		got, err := os.ReadFile(m.path("snapshots", "latest", data, "f"))
		if string(got) == "2" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("latest still has %q, %v", got, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := names(t, m.path("snapshots")); len(got) != 3 {
		t.Errorf("snapshots = %q, want two and latest", got)
	}
}

func TestReadsAtRandomOffsetsEqualTheFile(t *testing.T) {
	r := newRepo(t, mem.New())
	data := t.TempDir()
	random := rand.NewChaCha8([32]byte{1})
	content := make([]byte, 12<<20+345)
	if _, err := random.Read(content); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(data, "big"), content)
	backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	m := mountRepo(t, r, mount.Options{BlobCache: 3 << 20})
	f, err := os.Open(m.path("snapshots", "latest", data, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rng := rand.New(random)
	for range 300 {
		offset, n := rng.IntN(len(content)), rng.IntN(300<<10)
		got := make([]byte, n)
		n, err := f.ReadAt(got, int64(offset))
		want := content[offset:min(offset+len(got), len(content))]
		if n != len(want) || !bytes.Equal(got[:n], want) {
			t.Fatalf("ReadAt(%d bytes, %d) = %d, %v: another content", len(got), offset, n, err)
		}
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	r := newRepo(t, mem.New())
	data := t.TempDir()
	write(t, filepath.Join(data, "f"), []byte("1"))
	backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	m := mountRepo(t, r, mount.Options{})
	file := m.path("snapshots", "latest", data, "f")
	for name, err := range map[string]error{
		"write":  os.WriteFile(file, []byte("2"), 0),
		"create": os.WriteFile(file+"2", []byte("2"), 0o644),
		"remove": os.Remove(file),
		"mkdir":  os.Mkdir(m.path("tags", "new"), 0o755),
		"chmod":  os.Chmod(file, 0o600),
		"rename": os.Rename(file, file+"2"),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v, want EROFS", name, err)
		}
	}
}

func TestInodeNumbersAreTheSameAfterTheNextMountAndSharedByNamesOfOneFile(t *testing.T) {
	r := newRepo(t, mem.New())
	data := t.TempDir()
	write(t, filepath.Join(data, "f"), []byte("1"))
	write(t, filepath.Join(data, "other"), []byte("1"))
	if err := os.Link(filepath.Join(data, "f"), filepath.Join(data, "g")); err != nil {
		t.Fatal(err)
	}
	backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	backUp(t, r, data, snapshot.Snapshot{Time: aTime.Add(time.Hour)})
	var seen [2]map[string]uint64
	for i := range seen {
		m := mountRepo(t, r, mount.Options{})
		seen[i] = make(map[string]uint64)
		for _, name := range []string{"f", "g", "other", ""} {
			for _, s := range []string{"2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"} {
				var st syscall.Stat_t
				if err := syscall.Stat(m.path("snapshots", s, data, name), &st); err != nil {
					t.Fatal(err)
				}
				seen[i][s+name] = st.Ino
				if want := map[string]uint64{"f": 2, "g": 2, "other": 1, "": 1}[name]; uint64(st.Nlink) != want {
					t.Errorf("%q has %d links, want %d", name, st.Nlink, want)
				}
			}
		}
		m.cancel(errOver)
		<-m.ended
	}
	if d := cmp.Diff(seen[0], seen[1]); d != "" {
		t.Errorf("inode numbers after another mount:\n%s", d)
	}
	distinct := make(map[uint64]bool)
	for _, ino := range seen[0] {
		distinct[ino] = true
	}
	if len(distinct) != 6 {
		t.Errorf("inode numbers %v: want 3 in each of 2 snapshots", seen[0])
	}
}

func TestEverythingIsRootsIfWanted(t *testing.T) {
	r := newRepo(t, mem.New())
	data := t.TempDir()
	write(t, filepath.Join(data, "f"), nil)
	if err := os.Chown(filepath.Join(data, "f"), 12, 34); err != nil {
		t.Skipf("SKIPPED: files can't be given away: %v", err)
	}
	backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	for ownerRoot, want := range map[bool]uint32{false: 12, true: 0} {
		m := mountRepo(t, r, mount.Options{OwnerRoot: ownerRoot, AllowOther: true})
		var st syscall.Stat_t
		if err := syscall.Stat(m.path("snapshots", "latest", data, "f"), &st); err != nil || st.Uid != want {
			t.Errorf("OwnerRoot %t: owner %d, %v, want %d", ownerRoot, st.Uid, err, want)
		}
	}
}

func TestADamagedBlobIsAnErrorAndTheRestIsReadable(t *testing.T) {
	b := mem.New()
	r := newRepo(t, b)
	data := t.TempDir()
	random := rand.NewChaCha8([32]byte{2})
	content := make([]byte, 6<<20)
	if _, err := random.Read(content); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(data, "hurt"), content)
	write(t, filepath.Join(data, "whole"), []byte("whole"))
	s := backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	hurt := findFile(t, r, s, "hurt")
	if len(hurt.Content) < 3 {
		t.Fatalf("the file has %d blobs, want some", len(hurt.Content))
	}
	spoil(t, r, pack.Handle{ID: hurt.Content[1], Type: pack.Data})
	start := size(t, r, hurt.Content[0])
	end := start + size(t, r, hurt.Content[1])

	m := mountRepo(t, r, mount.Options{})
	dir := m.path("snapshots", "latest", data)
	if got, err := os.ReadFile(filepath.Join(dir, "whole")); string(got) != "whole" {
		t.Errorf("the other file = %q, %v", got, err)
	}
	f, err := os.Open(filepath.Join(dir, "hurt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := int64(os.Getpagesize())
	for _, c := range []struct {
		name     string
		from, to int64
		err      error
	}{
		{"before it", 0, start - page, nil},
		{"in it", start + page, start + 2*page, syscall.EIO},
		{"at its end", end - 10, end + page, syscall.EIO},
		{"after it", end + page, int64(len(content)), nil},
	} {
		got := make([]byte, c.to-c.from)
		_, err := f.ReadAt(got, c.from)
		if !errors.Is(err, c.err) || err == nil && !bytes.Equal(got, content[c.from:c.to]) {
			t.Errorf("read %s: %v, want %v and what was backed up", c.name, err, c.err)
		}
	}
	failures := m.failures()
	if len(failures) != 1 || !strings.HasSuffix(failures[0].Item, "hurt") || !errors.Is(failures[0].Err, repo.ErrDamaged) {
		t.Errorf("reported: %v, want one damage of the file", failures)
	}
}

func TestADamagedDirectoryIsAnErrorAndTheRestIsReadable(t *testing.T) {
	r := newRepo(t, mem.New())
	data := t.TempDir()
	write(t, filepath.Join(data, "hurt", "f"), []byte("1"))
	write(t, filepath.Join(data, "whole", "f"), []byte("2"))
	s := backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	spoil(t, r, pack.Handle{ID: findFile(t, r, s, "hurt").Subtree, Type: pack.Tree})
	m := mountRepo(t, r, mount.Options{})
	dir := m.path("snapshots", "latest", data)
	if _, err := os.ReadDir(filepath.Join(dir, "hurt")); !errors.Is(err, syscall.EIO) {
		t.Errorf("ReadDir of the damaged directory: %v, want EIO", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "whole", "f")); string(got) != "2" {
		t.Errorf("the other directory: %q, %v", got, err)
	}
	if failures := m.failures(); len(failures) == 0 || !errors.Is(failures[0].Err, repo.ErrDamaged) {
		t.Errorf("reported: %v, want the damage", failures)
	}
}

func TestItIsUnmountedAtTheEndEvenIfInUse(t *testing.T) {
	r := newRepo(t, mem.New())
	data := t.TempDir()
	write(t, filepath.Join(data, "f"), []byte("1"))
	backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	m := mountRepo(t, r, mount.Options{})
	f, err := os.Open(m.path("snapshots", "latest", data, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m.cancel(errOver)
	<-m.ended
	if !errors.Is(m.err, errOver) {
		t.Errorf("Mount = %v, want the cause", m.err)
	}
	if got := names(t, m.dir); len(got) != 0 {
		t.Errorf("%q is still there", got)
	}
	for range r.List(t.Context(), repo.Locks) {
		t.Error("the lock is still there")
	}
}

func TestWhoUnmountsItEndsIt(t *testing.T) {
	r := newRepo(t, mem.New())
	m := mountRepo(t, r, mount.Options{})
	locks := 0
	for range r.List(t.Context(), repo.Locks) {
		locks++
	}
	if locks != 1 {
		t.Errorf("%d locks while it is mounted, want 1", locks)
	}
	if out, err := exec.Command("umount", m.dir).CombinedOutput(); err != nil {
		t.Fatalf("umount: %v: %s", err, out)
	}
	<-m.ended
	if m.err != nil {
		t.Errorf("Mount = %v, want nil", m.err)
	}
}

func TestOnlyADirectoryIsMountedOn(t *testing.T) {
	r := newRepo(t, mem.New())
	file := filepath.Join(t.TempDir(), "f")
	write(t, file, nil)
	for _, dir := range []string{file, file + "-not-there"} {
		if err := mount.Mount(t.Context(), r, dir, mount.Options{}); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("Mount on %q: %v, want an error that names it", dir, err)
		}
	}
}

// findFile returns the node of a name in a snapshot.
func findFile(t *testing.T, r *repo.Repo, s *snapshot.Snapshot, name string) *tree.Node {
	t.Helper()
	for item, err := range tree.Walk(t.Context(), r, s.Tree, nil) {
		if err != nil {
			t.Fatal(err)
		}
		if item.Node.Name == name && item.Node.Type != entry.Symlink {
			return item.Node
		}
	}
	t.Fatalf("there is no %q in the snapshot", name)
	return nil
}

// spoil changes a byte of a blob where it is stored.
func spoil(t *testing.T, r *repo.Repo, h pack.Handle) {
	t.Helper()
	at, ok := r.Index().First(h)
	if !ok {
		t.Fatalf("blob %s is not there", h)
	}
	b, name := r.Backend(), repo.Packs.Name(at.Pack)
	info, err := b.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, info.Size)
	if err := b.Load(t.Context(), name, p, 0); err != nil {
		t.Fatal(err)
	}
	p[at.Offset+at.Length/2] ^= 1
	body := storage.Body{Size: info.Size, SHA256: crypto.Hash(p), Open: func() io.Reader { return bytes.NewReader(p) }}
	if err := errors.Join(b.Remove(t.Context(), name), b.Save(t.Context(), name, body)); err != nil {
		t.Fatal(err)
	}
}

func size(t *testing.T, r *repo.Repo, id crypto.ID) int64 {
	t.Helper()
	n, ok := r.Index().Size(pack.Handle{ID: id, Type: pack.Data})
	if !ok {
		t.Fatalf("blob %s is not there", id.Short())
	}
	return int64(n)
}

func TestADamagedSnapshotHidesNoOther(t *testing.T) {
	b := mem.New()
	r := newRepo(t, b)
	data := t.TempDir()
	lost := backUp(t, r, data, snapshot.Snapshot{Time: aTime})
	kept := backUp(t, r, data, snapshot.Snapshot{Time: aTime.Add(time.Hour)})
	name := repo.Snapshots.Name(lost.ID)
	body := storage.Body{Size: 5, Open: func() io.Reader { return strings.NewReader("noise") }}
	if err := errors.Join(b.Remove(t.Context(), name), b.Save(t.Context(), name, body)); err != nil {
		t.Fatal(err)
	}
	m := mountRepo(t, r, mount.Options{Refresh: time.Nanosecond})
	for range 3 {
		if got := names(t, m.path("ids")); !slices.Equal(got, []string{kept.ID.Short()}) {
			t.Errorf("ids = %q, want only %s", got, kept.ID.Short())
		}
	}
	if failures := m.failures(); len(failures) != 1 || failures[0].Item != "ids/"+lost.ID.Short() {
		t.Errorf("reported: %v, want the damaged snapshot once", failures)
	}
}

func BenchmarkReadInOrder(b *testing.B) {
	const length = 64 << 20
	r := newRepo(b, mem.New())
	data := b.TempDir()
	random := rand.NewChaCha8([32]byte{3})
	content := make([]byte, length)
	if _, err := random.Read(content); err != nil {
		b.Fatal(err)
	}
	write(b, filepath.Join(data, "big"), content)
	backUp(b, r, data, snapshot.Snapshot{Time: aTime})
	b.SetBytes(length)
	for b.Loop() {
		m := mountRepo(b, r, mount.Options{}) // another one each time, or the kernel would answer by itself
		if got, err := os.ReadFile(m.path("snapshots", "latest", data, "big")); err != nil || !bytes.Equal(got, content) {
			b.Fatal("another content", err)
		}
		m.cancel(errOver)
		<-m.ended
	}
}
