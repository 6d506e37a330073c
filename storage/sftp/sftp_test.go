package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/storage/sftp"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a storage with settings, connections to this machine alone.
func open(t testing.TB, v settings.Values) storage.Backend {
	t.Helper()
	b, err := opened(v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.(interface{ CloseIdle() }).CloseIdle)
	return b
}

func opened(v settings.Values) (storage.Backend, error) {
	v, err := settings.Check(sftp.Provider.Fields, v)
	if err != nil {
		return nil, err
	}
	return sftp.Provider.Open(v, storage.Env{Clock: clock.System, Dial: loopback})
}

// loopback makes connections within this machine only.
func loopback(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "tcp" && !strings.HasPrefix(address, "127.0.0.1:") {
		return nil, fmt.Errorf("a test asks for %s", address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// at are the settings of a folder of a server.
func at(s *servers.SFTP, dir string) settings.Values {
	return settings.Values{"host": s.Host, "port": s.Port, "user": s.User, "path": dir, "private-key": s.Key, "known-hosts": s.KnownHosts}
}

const packName = "data/ab/pack"

func save(t testing.TB, b storage.Backend, name string, content []byte) {
	t.Helper()
	if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
		t.Fatal(err)
	}
}

func list(ctx context.Context, b storage.Backend, dir string) (infos []storage.Info, err error) {
	for info, err := range b.List(ctx, dir) {
		if err != nil {
			return infos, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func TestBackendKeepsThePromises(t *testing.T) {
	s := servers.StartSFTP(t)
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		dir := t.TempDir()
		return open(t, at(s, dir))
	}) // of OpenSSH nothing is lacking
}

func TestBackendKeepsThePromisesOnAnotherServer(t *testing.T) {
	s := servers.StartOwnSSH(t, "/", servers.OwnSSHOptions{Password: "x"})
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		return open(t, own(s, settings.Values{"password": "x", "path": t.TempDir()}))
	}, sftp.Provider.Lacks...)
}

func TestTheFirstSaveMakesTheLocation(t *testing.T) {
	s := servers.StartSFTP(t)
	dir := filepath.Join(s.Dir, "new", "repo")
	b := open(t, at(s, dir))
	if _, err := list(t.Context(), b, "snapshots"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("List in a missing location = %v, want ErrNotFound", err)
	}
	for _, name := range []string{"config", packName} {
		save(t, b, name, []byte("x"))
	}
	for path, want := range map[string]fs.FileMode{
		"config": 0o400, packName: 0o400, ".": 0o700 | fs.ModeDir, "data": 0o700 | fs.ModeDir, "data/ab": 0o700 | fs.ModeDir,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %q = %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestARelativePathIsInTheHome(t *testing.T) {
	s := servers.StartOwnSSH(t, t.TempDir(), servers.OwnSSHOptions{Password: "right horse"})
	host, port, _ := net.SplitHostPort(s.Address)
	b := open(t, settings.Values{"host": host, "port": port, "user": "u", "path": "sub/repo", "password": "right horse", "known-hosts": s.KnownHosts})
	save(t, b, packName, []byte("x"))
	if got, err := list(t.Context(), b, "data"); err != nil || len(got) != 1 || got[0].Name != packName {
		t.Errorf("List = %v, %v", got, err)
	}
	home := open(t, settings.Values{"host": host, "port": port, "user": "u", "path": ".", "password": "right horse", "known-hosts": s.KnownHosts})
	if got, err := list(t.Context(), home, "sub"); err != nil || len(got) != 1 || got[0].Name != "sub/repo/"+packName {
		t.Errorf("List of the home = %v, %v", got, err)
	}
}

func TestALocationThatWentIsNotMadeAnew(t *testing.T) {
	s := servers.StartSFTP(t)
	dir := filepath.Join(s.Dir, "repo")
	b := open(t, at(s, dir))
	save(t, b, "config", []byte("x"))
	if err := os.Rename(dir, dir+" unmounted"); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), packName, storage.Bytes(nil)); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Save into a location that went = %v, want ErrNotFound", err)
	}
	if _, err := list(t.Context(), b, "data"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("List in a location that went = %v, want ErrNotFound", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the location was made anew (Stat = %v)", err)
	}
}

// temps returns the temporary files in a folder of the server.
func temps(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, ".backstay-tmp-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestASaveUnderATakenNameReadsNothingAndLeavesNothing(t *testing.T) {
	s := servers.StartSFTP(t)
	b := open(t, at(s, s.Dir))
	save(t, b, packName, []byte("first"))
	body := storage.Body{Size: 1 << 20, Open: func() io.Reader {
		t.Error("the content is read")
		return bytes.NewReader(make([]byte, 1<<20))
	}}
	if err := b.Save(t.Context(), packName, body); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Save = %v, want ErrExists", err)
	}
	if left := temps(t, filepath.Join(s.Dir, "data/ab")); len(left) > 0 {
		t.Errorf("what is left is %q", left)
	}
}

func TestAFileThatIsNotOfItsSizeGetsNoName(t *testing.T) {
	openSSH, other := servers.StartSFTP(t), servers.StartOwnSSH(t, "/", servers.OwnSSHOptions{Password: "x"})
	dir := t.TempDir()
	for name, v := range map[string]settings.Values{"OpenSSH": at(openSSH, dir), "another": own(other, settings.Values{"password": "x", "path": dir})} {
		b, folder := open(t, v), filepath.Join(dir, "data/ab")
		content := bytes.NewReader(make([]byte, 1<<20))
		body := storage.Body{Size: 1 << 20, Open: func() io.Reader {
			for _, temp := range temps(t, folder) {
				if err := os.Truncate(temp, 2<<20); err != nil { // the end of it isn't written to
					t.Error(err)
				}
			}
			return content
		}}
		if err := b.Save(t.Context(), packName, body); err == nil || !strings.Contains(err.Error(), "2097152 bytes") {
			t.Errorf("%s: Save of a file that grew = %v, want an error that says so", name, err)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("%s: what is left is %v, %v", name, left, err)
		}
	}
}

func TestAKilledSessionLeavesNoFileUnderItsNameAndSweepTakesTheRest(t *testing.T) {
	s := servers.StartSFTP(t)
	b := open(t, at(s, s.Dir))
	const size = 8 << 20
	var given int
	body := storage.Body{Size: size, Open: func() io.Reader {
		return readerFunc(func(p []byte) (int, error) {
			if given += len(p); given > size/2 && given-len(p) <= size/2 {
				if n := s.SignalSessions(t, syscall.SIGKILL); n == 0 {
					t.Error("nobody serves the connection")
				}
			}
			return len(p), nil
		})
	}}
	err := b.Save(t.Context(), packName, body)
	if err == nil || errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Save while the server's process is killed = %v, want an error that passes", err)
	}
	if _, err := b.Stat(t.Context(), packName); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat over the next connection = %v, want ErrNotFound", err)
	}
	if got, err := list(t.Context(), b, "data"); err != nil || len(got) != 0 {
		t.Errorf("List = %v, %v, want nothing", got, err)
	}
	left := temps(t, filepath.Join(s.Dir, "data/ab"))
	if len(left) != 1 {
		t.Fatalf("what is left is %q, want one temporary file", left)
	}
	sweeper := b.(storage.Sweeper)
	for _, age := range []time.Duration{0, 25 * time.Hour} {
		at := time.Now().Add(-age)
		if err := errors.Join(os.Chtimes(left[0], at, at), sweeper.Sweep(t.Context())); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(left[0]); errors.Is(err, fs.ErrNotExist) != (age > 0) {
			t.Errorf("after Sweep of a temporary file of %v: %v", age, err)
		}
	}
	save(t, b, packName, []byte("whole"))
}

// readerFunc is a reader made of a function.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestACallEndsSoonWhenItIsCancelledWhileTheServerHangs(t *testing.T) {
	s := servers.StartSFTP(t)
	b := open(t, at(s, s.Dir))
	save(t, b, packName, []byte("x"))
	gone := errors.New("gone")
	for what, call := range map[string]func(ctx context.Context) error{
		"Stat": func(ctx context.Context) error { _, err := b.Stat(ctx, packName); return err },
		"Load": func(ctx context.Context) error { return b.Load(ctx, packName, make([]byte, 1), 0) },
		"List": func(ctx context.Context) error { _, err := list(ctx, b, "data"); return err },
		"Save": func(ctx context.Context) error {
			return b.Save(ctx, "data/ab/other", storage.Bytes(make([]byte, 64<<20)))
		},
	} {
		save(t, b, "warm/"+what, nil)
		s.SignalSessions(t, syscall.SIGSTOP)
		ctx, cancel := context.WithCancelCause(t.Context())
		var cancelled time.Time
		time.AfterFunc(100*time.Millisecond, func() { cancelled = time.Now(); cancel(gone) })
		err := call(ctx)
		if !errors.Is(err, gone) || time.Since(cancelled) > 4*time.Second {
			t.Errorf("%s = %v %v after it was cancelled, want the cause soon", what, err, time.Since(cancelled))
		}
		s.SignalSessions(t, syscall.SIGCONT)
	}
	if got, err := list(t.Context(), b, "data"); err != nil || len(got) != 1 {
		t.Errorf("List after all = %v, %v", got, err)
	}
}

func TestRepeatedCallsGetThroughConnectionsThatBreak(t *testing.T) {
	s := servers.StartSFTP(t)
	b := retry.New(open(t, at(s, s.Dir)), retry.Options{Clock: hasty{}, Stall: -1})
	stop := make(chan struct{})
	var breaking, wg sync.WaitGroup
	breaking.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
				s.SignalSessions(t, syscall.SIGKILL)
			}
		}
	})
	const files = 64
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < files; i += 4 {
				name, content := fmt.Sprintf("data/%02x/%d", i%8, i), bytes.Repeat([]byte{byte(i), 1, 2}, 100_000)
				if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
					t.Errorf("Save: %v", err)
				}
				if got, err := storage.LoadAll(t.Context(), b, name); err != nil || !bytes.Equal(got, content) {
					t.Errorf("LoadAll = %d bytes, %v", len(got), err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	breaking.Wait()
	if got, err := list(t.Context(), b, "data"); err != nil || len(got) != files {
		t.Errorf("List = %d files, %v, want %d", len(got), err, files)
	}
}

// hasty is a clock whose sleeps are short.
type hasty struct{}

func (hasty) Now() time.Time { return time.Now() }

func (hasty) Sleep(ctx context.Context, d time.Duration) error { return clock.System.Sleep(ctx, d/100) }

func TestAListingIsNeverCutInSilence(t *testing.T) {
	s := servers.StartSFTP(t)
	b := open(t, at(s, s.Dir))
	const files = 500
	for i := range files {
		path := filepath.Join(s.Dir, fmt.Sprintf("data/%02x/%d", i%16, i))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 30 {
		killed := make(chan struct{})
		time.AfterFunc(time.Duration(round)*500*time.Microsecond, func() {
			s.SignalSessions(t, syscall.SIGKILL)
			close(killed)
		})
		got, err := list(t.Context(), b, "data")
		if err == nil && len(got) != files {
			t.Errorf("List over a connection that breaks = %d files and no error, want %d or an error", len(got), files)
		}
		<-killed
	}
}

func TestAFullDiskIsToldFromAPassingTrouble(t *testing.T) {
	s := servers.StartSFTP(t)
	if err := syscall.Mount("tmpfs", s.Dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(s.Dir, syscall.MNT_DETACH) })
	b := open(t, at(s, s.Dir))
	err := b.Save(t.Context(), packName, storage.Bytes(make([]byte, 4<<20)))
	if !errors.Is(err, storage.ErrFull) || !strings.Contains(err.Error(), "full") {
		t.Errorf("Save on a full disk = %v, want ErrFull that says full", err)
	}
	save(t, b, packName, bytes.Repeat([]byte("x"), 500_000))
}

func TestASymbolicLinkIsFollowed(t *testing.T) {
	s := servers.StartSFTP(t)
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(s.Dir, "data")); err != nil {
		t.Fatal(err)
	}
	b := open(t, at(s, s.Dir))
	save(t, b, packName, []byte("x"))
	if got, err := list(t.Context(), b, "data"); err != nil || len(got) != 1 || got[0] != (storage.Info{Name: packName, Size: 1}) {
		t.Errorf("List = %v, %v", got, err)
	}
}

func TestWhatTheUserMayNotDoIsPermanent(t *testing.T) {
	s := servers.StartSFTP(t)
	if s.User == "root" {
		b := open(t, at(s, "/proc/backstay"))
		if err := b.Save(t.Context(), "config", storage.Bytes(nil)); err == nil {
			t.Error("Save into /proc = nil error")
		}
		return
	}
	b := open(t, at(s, "/backstay"))
	if err := b.Save(t.Context(), "config", storage.Bytes(nil)); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Save into the root folder = %v, want ErrPermanent", err)
	}
}
